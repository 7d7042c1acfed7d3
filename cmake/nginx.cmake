# nginx headers for the module: target `nginx_headers`.
#
#   NGINX_SRC empty   Debian's nginx-dev: configured in the build tree with the
#                     packager's own flags, so that the module's signature
#                     equals that of /usr/sbin/nginx
#   NGINX_SRC=DIR     a vanilla source tree (release tarball or repository)
#   NGINX_OBJS=DIR    its already configured objs folder, if there is one
#
# Nothing is written outside the build tree.
set(NGINX_SRC "" CACHE PATH "vanilla nginx source tree; empty: nginx-dev")
set(NGINX_OBJS "" CACHE PATH "configured objs folder of NGINX_SRC")

set(nginx_objs ${NGINX_OBJS})
if(NGINX_SRC)
    set(nginx_source ${NGINX_SRC})
else()
    set(nginx_source /usr/share/nginx/src)
endif()
if(NOT EXISTS ${nginx_source}/src/core/nginx.h)
    message(FATAL_ERROR "no nginx headers in ${nginx_source}: install "
            "nginx-dev or give NGINX_SRC=<nginx source tree>")
endif()

if(NOT nginx_objs)
    # Another nginx, or another version at the same place, is another folder.
    set(nginx_identity ${nginx_source}/src/core/nginx.h)
    if(EXISTS ${nginx_source}/conf_flags)
        list(APPEND nginx_identity ${nginx_source}/conf_flags)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                 ${nginx_identity})
    set(nginx_key ${nginx_source})
    foreach(file ${nginx_identity})
        file(SHA256 ${file} hash)
        string(APPEND nginx_key ${hash})
    endforeach()
    string(SHA256 nginx_key "${nginx_key}")
    string(SUBSTRING ${nginx_key} 0 12 nginx_key)
    set(nginx_work ${PROJECT_BINARY_DIR}/nginx-${nginx_key})
    set(nginx_objs ${nginx_work}/objs)
    if(NOT EXISTS ${nginx_objs}/ngx_auto_config.h)
        message(STATUS "configuring nginx headers from ${nginx_source}")
        execute_process(
            COMMAND bash ${PROJECT_SOURCE_DIR}/tools/configure-nginx
                    ${nginx_source} ${nginx_work}
            RESULT_VARIABLE nginx_failed
            OUTPUT_VARIABLE nginx_output ERROR_VARIABLE nginx_output)
        if(nginx_failed)
            message(FATAL_ERROR "nginx configure failed:\n${nginx_output}")
        endif()
    endif()
endif()

add_library(nginx_headers INTERFACE)
set(nginx_include ${nginx_objs})
foreach(folder core event event/modules event/quic os/unix http http/modules
        http/v2 http/v3)
    list(APPEND nginx_include ${nginx_source}/src/${folder})
endforeach()
target_include_directories(nginx_headers SYSTEM INTERFACE ${nginx_include})
