// libarchive, loaded at the first archive. It brings libxml2 and ICU, 3 MB of
// memory, which a registry that reads no packages need not have.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "common/result.hpp"

namespace longshore {

/// The functions in use, as archive.h and archive_entry.h declare them. Of
/// the formats only these four can be switched on.
struct LibArchive {
    decltype(&::archive_read_new) read_new;
    decltype(&::archive_read_free) read_free;
    decltype(&::archive_read_support_format_tar) format_tar;
    decltype(&::archive_read_support_format_zip_seekable) format_zip;
    decltype(&::archive_read_support_format_ar) format_ar;
    decltype(&::archive_read_set_read_callback) set_read;
    decltype(&::archive_read_set_skip_callback) set_skip;
    decltype(&::archive_read_set_seek_callback) set_seek;
    decltype(&::archive_read_set_callback_data) set_data;
    decltype(&::archive_read_open1) open1;
    decltype(&::archive_read_next_header) next_header;
    decltype(&::archive_read_data_block) data_block;
    decltype(&::archive_read_data_skip) data_skip;
    decltype(&::archive_filter_bytes) filter_bytes;
    decltype(&::archive_error_string) error_string;
    decltype(&::archive_entry_pathname) pathname;
    decltype(&::archive_entry_symlink) symlink;
    decltype(&::archive_entry_hardlink) hardlink;
    decltype(&::archive_entry_size) size;
    decltype(&::archive_entry_size_is_set) size_is_set;
    decltype(&::archive_entry_filetype) filetype;
    decltype(&::archive_entry_perm) perm;
    decltype(&::archive_entry_mtime) mtime;
};

/// Loaded once for the life of the process.
/// @errors unavailable (the library is not there)
/// @thread any
Result<const LibArchive*> load_libarchive();

}  // namespace longshore
