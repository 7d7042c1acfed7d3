# One architectural level = one static library that sees only what it may.
#
#   longshore_layer(NAME folder [PUBLIC layer|library …] [PRIVATE layer|library …])
#
# Includes are written from the level's own name ("db/database.hpp"). Each
# level gets a private include root in the build tree that holds nothing but a
# link to its folder; a level that does not link another one therefore cannot
# include it, and the build fails.
function(longshore_layer name folder)
    cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS
         ${PROJECT_SOURCE_DIR}/${folder}/*.cpp
         ${PROJECT_SOURCE_DIR}/${folder}/*/*.cpp)
    set(root ${PROJECT_BINARY_DIR}/layers/${name})
    file(MAKE_DIRECTORY ${root})
    get_filename_component(leaf ${folder} NAME)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${root}/${leaf} SYMBOLIC)
    if(sources)
        add_library(${name} STATIC ${sources})
        set(scope PUBLIC)
        target_link_libraries(${name} PRIVATE longshore_flags)
        set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
        target_link_libraries(${name} PUBLIC ${ARG_PUBLIC}
                              PRIVATE ${ARG_PRIVATE})
    else()
        add_library(${name} INTERFACE)
        set(scope INTERFACE)
        target_link_libraries(${name} INTERFACE ${ARG_PUBLIC})
    endif()
    target_include_directories(${name} ${scope} ${root})
endfunction()
