#include "formats/rpm/facts.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/hash.hpp"

namespace longshore::rpm {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxWord = 200;
constexpr std::uint64_t kLead = 96;
// Of the signature, rpmtag.h.
constexpr std::uint32_t kLongSize = 270;
constexpr std::uint32_t kHeaderSha256 = 273;
constexpr std::uint32_t kSize = 1000;

bool is_word(std::string_view text, std::string_view more) {
    return !text.empty() && text.size() <= kMaxWord && text.front() != '.' &&
           text.front() != '-' &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || more.find(c) != more.npos;
           });
}

Json relations(const std::vector<RpmRelation>& from) {
    auto out = Json::array();
    for (const auto& one : from) {
        auto row = Json::array({one.name});
        if (!one.flags.empty() || one.pre) {
            row.insert(row.end(), {std::string(one.flags), one.epoch,
                                   one.version, one.release});
        }
        if (one.pre) {
            row.push_back(1);
        }
        out.push_back(std::move(row));
    }
    return out;
}

// The kind is the letter before the path.
Json files(const std::vector<RpmFile>& from) {
    auto out = Json::array();
    for (const auto& one : from) {
        const char* kind = one.type == RpmFileType::dir     ? "d"
                           : one.type == RpmFileType::ghost ? "g"
                                                            : "f";
        out.push_back(kind + one.path);
    }
    return out;
}

// The newest ones, the oldest of them first. Entries of one day have one time
// in a package; they get different ones, so that whoever sorts by it finds
// their order.
Json changes(const std::vector<RpmChange>& from) {
    auto n = std::min(from.size(), kMostChanges);
    std::vector<std::uint64_t> times(n);
    for (std::size_t i = n; i > 0; --i) {
        auto time = from[i - 1].time_s;
        times[i - 1] = i < n ? std::max(time, times[i] + 1) : time;
    }
    auto out = Json::array();
    for (std::size_t i = n; i > 0; --i) {
        const auto& one = from[i - 1];
        out.push_back({one.author, times[i - 1], one.text});
    }
    return out;
}

}  // namespace

RpmLimits limits() {
    RpmLimits out;
    out.store = std::size_t{32} << 20;
    out.files = 200'000;
    out.paths = std::size_t{16} << 20;
    out.relations = 50'000;
    return out;
}

Result<void> check(const RpmPackage& package) {
    if (!is_word(package.name, "._+-%@") || !is_word(package.arch, "_") ||
        !is_word(package.version, "._+~^%") ||
        !is_word(package.release, "._+~^%")) {
        return Error{Code::invalid_argument,
                     "name, version, release or architecture of the package "
                     "have letters that no file's name should have"};
    }
    return {};
}

Result<void> check_whole(const ByteSource& source, const RpmPackage& package) {
    LS_TRY(signature, RpmHeader::read(source, kLead, limits()));
    auto size = signature.number(kLongSize);
    size = size ? size : signature.number(kSize);
    if (size && package.header_start + *size != source.size()) {
        return Error{Code::invalid_argument,
                     "the package is " + std::to_string(source.size()) +
                         " bytes long, its signature says " +
                         std::to_string(package.header_start + *size)};
    }
    auto digest = signature.text(kHeaderSha256);
    if (!digest.empty()) {
        std::string header(package.header_end - package.header_start, '\0');
        LS_TRY(got, source.read_at(package.header_start, header));
        header.resize(got);
        if (digest_of(Algorithm::sha256, header).encoded() != digest) {
            return Error{Code::invalid_argument,
                         "the package's header is not the one that its "
                         "signature is of"};
        }
    }
    return {};
}

std::string file_name(const RpmPackage& package) {
    return package.name + "-" + package.version + "-" + package.release + "." +
           package.arch + ".rpm";
}

std::string version_of(const RpmPackage& package) {
    return (package.epoch == "0" ? "" : package.epoch + ":") + package.version +
           "-" + package.release;
}

std::string describe(const RpmPackage& package) {
    Json out = {{"name", package.name},
                {"epoch", package.epoch},
                {"version", package.version},
                {"release", package.release},
                {"arch", package.arch},
                {"summary", package.summary},
                {"description", package.description},
                {"packager", package.packager},
                {"url", package.url},
                {"license", package.license},
                {"vendor", package.vendor},
                {"group", package.group},
                {"build_host", package.build_host},
                {"source_rpm", package.source_rpm},
                {"build_time", package.build_time_s},
                {"installed_size", package.installed_size},
                {"archive_size", package.archive_size},
                {"header_start", package.header_start},
                {"header_end", package.header_end},
                {"provides", relations(package.provides)},
                {"requires", relations(index_requirements(package))},
                {"conflicts", relations(package.conflicts)},
                {"obsoletes", relations(package.obsoletes)},
                {"suggests", relations(package.suggests)},
                {"enhances", relations(package.enhances)},
                {"recommends", relations(package.recommends)},
                {"supplements", relations(package.supplements)},
                {"files", files(package.files)},
                {"changes", changes(package.changes)}};
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace longshore::rpm
