#include "formats/debian/upload_list.hpp"

#include <algorithm>
#include <charconv>

#include "formats/debian/names.hpp"

namespace longshore::debian {
namespace {

constexpr std::size_t kMaxFiles = 500;
// What Sources has of its own, however the .dsc spells it.
constexpr std::string_view kOurs[] = {
    "Package",        "Source",           "Directory",       "Files",
    "Checksums-Sha1", "Checksums-Sha256", "Checksums-Sha512"};

Error broken(std::string_view what) {
    return Error{Code::invalid_argument,
                 "not a list of files: " + std::string(what)};
}

bool is_hex(std::string_view text, std::size_t length) {
    return text.size() == length &&
           text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<std::uint64_t> read_size(std::string_view text) {
    std::uint64_t size = 0;
    auto end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, size);
    if (error != std::errc() || stop != end) {
        return broken("a size that is no number");
    }
    return size;
}

// "md5 size [section priority] name" of each line of Files.
Result<void> read_files(UploadList& list) {
    for (auto line : lines(list.stanza.get("Files"))) {
        auto words = debian::words(line);
        if (words.size() != 3 && words.size() != 5) {
            return broken("a line of Files has 3 or 5 words");
        }
        ListedFile file;
        file.md5 = words[0];
        LS_TRY(size, read_size(words[1]));
        file.size_bytes = size;
        file.name = words.back();
        if (words.size() == 5) {
            file.section = words[2];
            file.priority = words[3];
        }
        if (!is_hex(file.md5, 32) || !is_file_name(file.name) ||
            list.find(file.name) != nullptr) {
            return broken("a name or digest that is none: " +
                          file.name.substr(0, 128));
        }
        list.files.push_back(std::move(file));
        if (list.files.size() > kMaxFiles) {
            return Error{Code::too_large,
                         "more files than " + std::to_string(kMaxFiles)};
        }
    }
    return {};
}

// "digest size name" of each line.
Result<void> read_sums(UploadList& list, std::string_view field,
                       bool (*take)(ListedFile&, std::string_view)) {
    for (auto line : lines(list.stanza.get(field))) {
        auto words = debian::words(line);
        auto file = std::find_if(
            list.files.begin(), list.files.end(), [&](const auto& one) {
                return !words.empty() && one.name == words.back();
            });
        if (words.size() != 3 || file == list.files.end()) {
            return broken(std::string(field) + " and Files differ");
        }
        LS_TRY(size, read_size(words[1]));
        if (size != file->size_bytes || !take(*file, words[0])) {
            return broken(std::string(field) + " of " + file->name);
        }
    }
    return {};
}

}  // namespace

const ListedFile* UploadList::find(std::string_view name) const {
    for (const auto& file : files) {
        if (file.name == name) {
            return &file;
        }
    }
    return nullptr;
}

const ListedFile* UploadList::ending(std::string_view end) const {
    for (const auto& file : files) {
        if (file.name.ends_with(end)) {
            return &file;
        }
    }
    return nullptr;
}

Result<UploadList> read_upload_list(std::string_view text) {
    if (text.size() > kMaxListBytes) {
        return Error{Code::too_large, "a list of files has at most " +
                                          std::to_string(kMaxListBytes) +
                                          " bytes"};
    }
    LS_TRY(clear, strip_clear_signature(text));
    LS_TRY(stanza, read_stanza(clear.text, kDebianControl));
    UploadList list;
    list.stanza = std::move(stanza);
    LS_CHECK(read_files(list));
    LS_CHECK(read_sums(list, "Checksums-Sha1",
                       [](ListedFile& file, std::string_view hex) {
                           file.sha1 = hex;
                           return is_hex(hex, 40);
                       }));
    LS_CHECK(read_sums(
        list, "Checksums-Sha256", [](ListedFile& file, std::string_view hex) {
            return Digest::parse("sha256:" + std::string(hex), file.digest);
        }));
    for (const auto& file : list.files) {
        if (file.digest.encoded().empty()) {
            return broken(file.name + " has no SHA-256");
        }
    }
    if (list.files.empty()) {
        return broken("no files");
    }
    return list;
}

std::string source_stanza(const UploadList& source, const ListedFile& dsc,
                          std::string_view folder) {
    Stanza out;
    out.add("Package", source.stanza.get("Source"));
    auto said = source.stanza;
    for (auto name : kOurs) {
        said.remove(name);
    }
    for (const auto& field : said.fields()) {
        out.add(field.name, field.value);
    }
    if (!dsc.section.empty()) {
        out.set("Priority", dsc.priority);
        out.set("Section", dsc.section);
    }
    out.add("Directory", folder);
    std::string md5;
    std::string sha1;
    std::string sha256;
    auto list = [&](const ListedFile& file) {
        auto rest = " " + std::to_string(file.size_bytes) + " " + file.name;
        md5 += "\n" + file.md5 + rest;
        if (!file.sha1.empty()) {
            sha1 += "\n" + file.sha1 + rest;
        }
        sha256 += "\n" + std::string(file.digest.encoded()) + rest;
    };
    list(dsc);
    std::for_each(source.files.begin(), source.files.end(), list);
    out.add("Files", md5);
    if (!sha1.empty()) {
        out.add("Checksums-Sha1", sha1);
    }
    out.add("Checksums-Sha256", sha256);
    return write_stanza(out);
}

}  // namespace longshore::debian
