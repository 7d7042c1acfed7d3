#include "archive/libarchive.hpp"

#include <dlfcn.h>

#include <string>

namespace longshore {
namespace {

constexpr const char* kLibrary = "libarchive.so.13";

/// Looks functions up; after the first that is missing, `complete` is false.
struct Symbols {
    void* library;
    bool complete = true;

    template <typename Function>
    void find(const char* name, Function& function) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        complete = complete && function != nullptr;
    }
};

Error missing() {
    const char* said = ::dlerror();
    return {Code::unavailable,
            said != nullptr ? said : std::string(kLibrary) + " is too old"};
}

Result<LibArchive> open() {
    // Never closed: readers live in threads that end when they like.
    void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return missing();
    }
    LibArchive api{};
    Symbols symbols{library};
    symbols.find("archive_read_new", api.read_new);
    symbols.find("archive_read_free", api.read_free);
    symbols.find("archive_read_support_format_tar", api.format_tar);
    symbols.find("archive_read_support_format_zip_seekable", api.format_zip);
    symbols.find("archive_read_support_format_ar", api.format_ar);
    symbols.find("archive_read_set_read_callback", api.set_read);
    symbols.find("archive_read_set_skip_callback", api.set_skip);
    symbols.find("archive_read_set_seek_callback", api.set_seek);
    symbols.find("archive_read_set_callback_data", api.set_data);
    symbols.find("archive_read_open1", api.open1);
    symbols.find("archive_read_next_header", api.next_header);
    symbols.find("archive_read_data_block", api.data_block);
    symbols.find("archive_read_data_skip", api.data_skip);
    symbols.find("archive_filter_bytes", api.filter_bytes);
    symbols.find("archive_error_string", api.error_string);
    symbols.find("archive_entry_pathname", api.pathname);
    symbols.find("archive_entry_symlink", api.symlink);
    symbols.find("archive_entry_hardlink", api.hardlink);
    symbols.find("archive_entry_size", api.size);
    symbols.find("archive_entry_size_is_set", api.size_is_set);
    symbols.find("archive_entry_filetype", api.filetype);
    symbols.find("archive_entry_perm", api.perm);
    symbols.find("archive_entry_mtime", api.mtime);
    if (!symbols.complete) {
        return missing();
    }
    return api;
}

}  // namespace

Result<const LibArchive*> load_libarchive() {
    static const Result<LibArchive> kLibArchive = open();
    if (!kLibArchive) {
        return kLibArchive.error();
    }
    return &*kLibArchive;
}

}  // namespace longshore
