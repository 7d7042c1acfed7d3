# Flags of every target of ours, as an interface library.
add_library(longshore_flags INTERFACE)
target_compile_features(longshore_flags INTERFACE cxx_std_20)
target_compile_options(longshore_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Werror
    -fno-omit-frame-pointer -fstack-protector-strong)
if(LONGSHORE_SANITIZE)
    target_compile_options(longshore_flags INTERFACE
        -fsanitize=${LONGSHORE_SANITIZE} -fno-sanitize-recover=undefined)
    target_link_options(longshore_flags INTERFACE
        -fsanitize=${LONGSHORE_SANITIZE})
else()
    target_compile_definitions(longshore_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
