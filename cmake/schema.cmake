# db/schema/NNNN_name.sql → one source file with all of them, in order.
#
#   longshore_schema(target folder)
function(longshore_schema target folder)
    file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.sql)
    list(SORT files)
    set(number 0)
    set(texts "")
    foreach(file ${files})
        math(EXPR number "${number} + 1")
        get_filename_component(leaf ${file} NAME)
        string(REGEX MATCH "^0*([0-9]+)_" unused ${leaf})
        if(NOT CMAKE_MATCH_1 EQUAL number)
            message(FATAL_ERROR "schema file ${leaf} should have number "
                                "${number}")
        endif()
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
        file(READ ${file} text)
        string(APPEND texts "    R\"sql(${text})sql\",\n")
    endforeach()
    set(out ${PROJECT_BINARY_DIR}/generated/schema.cpp)
    file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
"#include \"db/schema.hpp\"

namespace longshore {
namespace {
constexpr std::string_view kFiles[] = {
@texts@};
}  // namespace

std::span<const std::string_view> schema_files() noexcept {
    return kFiles;
}

}  // namespace longshore
")
    target_sources(${target} PRIVATE ${out})
endfunction()
