# The table of formats from what lies in daemon/formats: a file <key>.cpp or a
# folder <key>/ with <key>.cpp is the format <key>, whose entry is
# `const Format& longshore::formats::<key>()`. A wrong name is a link error.
file(GLOB format_files CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/daemon/formats/*.cpp)
file(GLOB format_entries CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/daemon/formats/*/*.cpp)
set(format_keys)
foreach(file ${format_files})
    get_filename_component(key ${file} NAME_WE)
    list(APPEND format_keys ${key})
endforeach()
foreach(file ${format_entries})
    get_filename_component(key ${file} NAME_WE)
    get_filename_component(folder ${file} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    if(key STREQUAL folder)
        list(APPEND format_keys ${key})
    endif()
endforeach()
list(SORT format_keys)

set(format_declarations "")
set(format_rows "")
list(LENGTH format_keys format_count)
foreach(key ${format_keys})
    string(APPEND format_declarations "const Format& ${key}();\n")
    string(APPEND format_rows "        &formats::${key}(),\n")
endforeach()
set(format_table ${PROJECT_BINARY_DIR}/format_table.cpp)
file(CONFIGURE OUTPUT ${format_table} CONTENT [[
#include <array>

#include "registry/format.hpp"

namespace longshore {
namespace formats {
@format_declarations@}  // namespace formats

std::span<const Format* const> all_formats() {
    static const std::array<const Format*, @format_count@> kTable = {
@format_rows@    };
    return kTable;
}

}  // namespace longshore
]] @ONLY)
target_sources(formats PRIVATE ${format_table})
