// Makes archives for tests, sound ones and others, byte by byte: a library
// that writes them would not write what hostile ones have.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/compress.hpp"
#include "archive/reader.hpp"

namespace longshore::archives {

inline std::string octal(std::uint64_t value, int digits) {
    std::string text(static_cast<std::size_t>(digits), '0');
    for (auto place = text.rbegin(); place != text.rend(); ++place) {
        *place = static_cast<char>('0' + (value & 7));
        value >>= 3;
    }
    return text;
}

/// One header block of a tar.
inline std::string tar_header(std::string_view name, std::uint64_t size,
                              char type = '0', std::string_view link = {}) {
    std::string block(512, '\0');
    auto put = [&block](std::size_t at, std::string_view text) {
        block.replace(at, text.size(), text);
    };
    put(0, name.substr(0, 100));
    put(100, octal(type == '5' ? 0755 : 0644, 7));
    put(124, octal(size, 11));
    put(136, octal(1700000000, 11));
    put(148, "        ");
    put(156, std::string_view(&type, 1));
    put(157, link.substr(0, 100));
    put(257, std::string_view("ustar\0"
                              "00",
                              8));
    unsigned sum = 0;
    for (char c : block) {
        sum += static_cast<unsigned char>(c);
    }
    put(148, octal(sum, 6) + std::string("\0 ", 2));
    return block;
}

inline std::string padded(std::string bytes, std::size_t to) {
    bytes.resize((bytes.size() + to - 1) / to * to, '\0');
    return bytes;
}

inline std::string tar_file(std::string_view name, std::string_view data) {
    return tar_header(name, data.size()) + padded(std::string(data), 512);
}

inline std::string tar_end() {
    return std::string(1024, '\0');
}

inline std::string pax_record(std::string_view key, std::string_view value) {
    auto rest = " " + std::string(key) + "=" + std::string(value) + "\n";
    auto size = rest.size() + 1;
    while (std::to_string(size).size() + rest.size() != size) {
        ++size;
    }
    return std::to_string(size) + rest;
}

inline std::string pax(const std::string& records, char type = 'x') {
    return tar_header("pax", records.size(), type) + padded(records, 512);
}

/// Little-endian numbers.
inline std::string le(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) {
        text += static_cast<char>(value >> (8 * i));
    }
    return text;
}

inline std::string deflated(std::string_view data) {
    auto gz = compress(Encoding::gzip, data);
    return gz.substr(10, gz.size() - 18);
}

/// One entry of a zip; what is set says something else than is true.
struct ZipEntry {
    std::string name;
    std::string data;
    bool deflate = false;
    unsigned flags = 0;
    std::optional<unsigned> method = {};
    std::optional<std::string> header_name = {};
    std::optional<std::uint64_t> header_size = {};
    std::optional<std::uint64_t> size = {};    // everywhere
    std::optional<std::uint64_t> offset = {};  // in the directory
    std::string extra = {};                    // in the header
    std::string gap = {};                      // after the data
    std::uint64_t attributes = 0;              // external
};

struct Zip {
    std::vector<ZipEntry> entries;
    std::string prefix = {};
    std::string before_directory = {};
    std::string comment = {};
    std::optional<unsigned> count = {};

    std::string bytes() const {
        std::string out = prefix;
        std::string directory;
        for (const auto& entry : entries) {
            auto data = entry.deflate ? deflated(entry.data) : entry.data;
            auto method = entry.method.value_or(entry.deflate ? 8 : 0);
            auto offset = entry.offset.value_or(out.size());
            auto crc =
                ::crc32(0, reinterpret_cast<const Bytef*>(entry.data.data()),
                        static_cast<uInt>(entry.data.size()));
            auto size = entry.size.value_or(entry.data.size());
            bool later = (entry.flags & 8) != 0;
            auto middle = [&](std::uint64_t written, bool blank) {
                return le(20, 2) + le(entry.flags, 2) + le(method, 2) +
                       le(0x21, 4) + le(blank ? 0 : crc, 4) +
                       le(blank ? 0 : data.size(), 4) +
                       le(blank ? 0 : written, 4);
            };
            auto name = entry.header_name.value_or(entry.name);
            out += "PK\3\4" + middle(entry.header_size.value_or(size), later) +
                   le(name.size(), 2) + le(entry.extra.size(), 2) + name +
                   entry.extra + data;
            if (later) {
                out +=
                    "PK\7\10" + le(crc, 4) + le(data.size(), 4) + le(size, 4);
            }
            out += entry.gap;
            directory += "PK\1\2" + le(0x0314, 2) + middle(size, false) +
                         le(entry.name.size(), 2) + le(0, 8) +
                         le(entry.attributes, 4) + le(offset, 4) + entry.name;
        }
        out += before_directory;
        auto begin = out.size();
        auto number = count.value_or(static_cast<unsigned>(entries.size()));
        return out + directory + "PK\5\6" + le(0, 4) + le(number, 2) +
               le(number, 2) + le(directory.size(), 4) + le(begin, 4) +
               le(comment.size(), 2) + comment;
    }
};

inline std::string ar_file(std::string name, const std::string& data) {
    name.resize(16, ' ');
    auto number = std::to_string(data.size());
    number.resize(10, ' ');
    return name + "1700000000  0     0     100644  " + number + "`\n" + data +
           (data.size() % 2 == 1 ? "\n" : "");
}

inline std::string ar(const std::string& files) {
    return "!<arch>\n" + files;
}

constexpr Kinds kAll = Kind::tar | Kind::zip | Kind::ar | Kind::plain |
                       Kind::gzip | Kind::bzip2 | Kind::xz | Kind::zstd |
                       Kind::lzma;

/// Reads all of an archive, contents too: a line for each entry, "path=data"
/// for files, and the error's text at the end if there is one.
inline std::string listing(std::string_view bytes,
                           const ArchiveLimits& limits = {},
                           Kinds allowed = kAll) {
    MemorySource source(bytes);
    auto reader = ArchiveReader::open(source, allowed, limits);
    if (!reader) {
        return "error: " + reader.error().message;
    }
    std::string out;
    ArchiveEntry entry;
    for (;;) {
        auto more = reader->next(entry);
        if (!more) {
            return out + "error: " + more.error().message;
        }
        if (!*more) {
            return out;
        }
        out += entry.path;
        if (entry.type == EntryType::file) {
            auto data = reader->read_entry(1 << 20);
            if (!data) {
                return out + " error: " + data.error().message;
            }
            out += "=" + *data;
        } else if (!entry.target.empty()) {
            out += "->" + entry.target;
        } else if (entry.type == EntryType::folder) {
            out += "/";
        }
        out += "\n";
    }
}

}  // namespace longshore::archives
