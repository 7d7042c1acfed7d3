#include "formats/debian/suite_index.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "formats/debian/facts.hpp"
#include "http/date.hpp"
#include "registry/segments.hpp"
#include "registry/signer.hpp"

namespace longshore::debian {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kMaxValidDays = 3650;
// Who has read a Release asks for what it lists within minutes.
constexpr std::int64_t kGraceMs = 15 * 60 * 1000;
// Longer texts are there compressed only; a Release tells their digest.
constexpr std::uint64_t kMaxPlain = std::uint64_t{4} << 20;
// Contents and translations beyond that follow within kMaxLateMs: each
// generation of them is a copy that no package should wait for.
constexpr std::uint64_t kMaxPrompt = std::uint64_t{8} << 20;
constexpr std::size_t kMaxRelease = std::size_t{1} << 20;
// Of the texts below; another number has all of them made anew.
constexpr std::uint32_t kRenderer = 1;

struct Row {
    std::string path;
    std::string package;  // "section/name"
};
// By stream.
using ContentsRows = std::map<std::string, std::vector<Row>, std::less<>>;

void add(BucketTexts& texts, const std::string& stream, std::string_view text) {
    auto& out = texts[stream];
    out.text += text;
    ++out.rows;
}

void add_deb(const PackageFile& file, const Facts& facts,
             const std::string& component, BucketTexts& texts,
             ContentsRows& contents, std::set<std::string>& described) {
    bool udeb = file.file.role == kUdeb;
    auto stanza = facts.stanza;
    stanza += "Filename: " + file.file.path + "\n";
    stanza += "Size: " + std::to_string(file.file.size_bytes) + "\n";
    if (!file.file.digests.md5.empty()) {
        stanza += "MD5sum: " + file.file.digests.md5 + "\n";
    }
    if (!file.file.digests.sha1.empty()) {
        stanza += "SHA1: " + file.file.digests.sha1 + "\n";
    }
    stanza += "SHA256: " + std::string(file.file.digest.encoded()) + "\n\n";
    add(texts,
        component + (udeb ? "/debian-installer/binary-" : "/binary-") +
            facts.architecture,
        stanza);
    if (udeb) {
        return;
    }
    auto& rows = contents[component + "/contents-" + facts.architecture];
    auto name = facts.section.empty() ? file.package_name
                                      : facts.section + "/" + file.package_name;
    for (auto path : lines(facts.contents)) {
        rows.push_back({std::string(path), name});
    }
    auto once =
        component + " " + file.package_name + " " + facts.description_md5;
    if (!facts.description.empty() && described.insert(once).second) {
        Stanza text;
        text.add("Package", file.package_name);
        text.add("Description-md5", facts.description_md5);
        text.add("Description-en", facts.description);
        add(texts, component + "/translation", write_stanza(text) + "\n");
    }
}

// Paths in order; who shares one shares its line.
void add_contents(ContentsRows& contents, BucketTexts& texts) {
    for (auto& [stream, rows] : contents) {
        std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
            return std::tie(a.path, a.package) < std::tie(b.path, b.package);
        });
        for (std::size_t i = 0; i < rows.size();) {
            auto line = rows[i].path + "\t" + rows[i].package;
            auto next = i + 1;
            for (; next < rows.size() && rows[next].path == rows[i].path;
                 ++next) {
                if (rows[next].package != rows[next - 1].package) {
                    line += "," + rows[next].package;
                }
            }
            add(texts, stream, line + "\n");
            i = next;
        }
    }
}

Result<void> render(std::string_view suite,
                    const std::vector<PackageFile>& files, BucketTexts& texts) {
    ContentsRows contents;
    std::set<std::string> described;
    const auto mark = "[\"" + std::string(suite) + "\",";
    for (const auto& file : files) {
        const auto& role = file.file.role;
        if ((role != kDeb && role != kUdeb && role != kDsc) ||
            file.version.state == VersionState::yanked) {
            continue;
        }
        // Most of what other suites have is not worth a parser.
        if (file.file.data.find(mark) == std::string::npos) {
            continue;
        }
        auto facts = read_facts(file.file.data);
        for (const auto& place : facts.places) {
            if (place.suite != suite) {
                continue;
            }
            if (role == kDsc) {
                add(texts, place.component + "/source", facts.stanza + "\n");
            } else {
                add_deb(file, facts, place.component, texts, contents,
                        described);
            }
        }
    }
    add_contents(contents, texts);
    return {};
}

// What a suite consists of. Components and architectures that it once had stay,
// empty, so that clients which ask for them go on.
struct Shape {
    std::set<std::string> components;
    std::set<std::string> architectures;  // "all" among them
};

Result<void> remember(IndexContext& ctx, std::string_view suite, Shape& shape) {
    auto found = ctx.previous(document_path(suite, "Release"));
    if (!found || found->size_bytes > kMaxRelease) {
        return {};
    }
    auto source = ctx.open_previous(*found);
    if (!source) {
        return {};  // its bytes were lost; the packages tell enough
    }
    StanzaReader reader(**source, kDebianControl);
    auto stanza = reader.next();
    if (!stanza || !*stanza) {
        return {};
    }
    for (auto word : words((*stanza)->get("Components"))) {
        shape.components.emplace(word);
    }
    for (auto word : words((*stanza)->get("Architectures"))) {
        shape.architectures.emplace(word);
    }
    return {};
}

void add_stream(const std::string& stream, Shape& shape) {
    shape.components.insert(stream.substr(0, stream.find('/')));
    if (auto at = stream.find("/binary-"); at != stream.npos) {
        shape.architectures.insert(stream.substr(at + 8));
    }
}

std::string joined(std::string_view a, std::string_view b, std::string_view c) {
    return std::string(a).append(b).append(c);
}

// Those that may wait and are long do, if they have not `waited` enough; true:
// some lag behind now.
bool let_lag(std::vector<SegmentedIndex>& indexes, const Segments& segments,
             bool waited) {
    bool any = false;
    for (auto& index : indexes) {
        const auto& stream = index.streams.front();
        auto size = segments.streams().find(stream);
        bool late = size != segments.streams().end() &&
                    size->second.bytes > kMaxPrompt &&
                    (stream.find("/contents-") != stream.npos ||
                     stream.ends_with("/translation"));
        index.often = !late;
        index.may_lag = late && !waited;
        any = any || index.may_lag;
    }
    return any;
}

SegmentedIndex index_of(std::string name, std::vector<std::string> streams) {
    SegmentedIndex index;
    index.name = std::move(name);
    index.streams = std::move(streams);
    index.forms = {Encoding::gzip, Encoding::xz, Encoding::zstd};
    index.max_plain_bytes = kMaxPlain;
    return index;
}

std::vector<SegmentedIndex> indexes_of(const Shape& shape,
                                       const Segments& segments) {
    std::vector<SegmentedIndex> out;
    const auto& streams = segments.streams();
    for (const auto& component : shape.components) {
        for (const auto& architecture : shape.architectures) {
            auto name = "/binary-" + architecture;
            auto stream = component + name;
            std::vector<std::string> of = {stream};
            if (architecture != "all") {
                of.push_back(component + "/binary-all");
            }
            out.push_back(index_of(stream + "/Packages", of));
            auto contents = joined(component, "/contents-", architecture);
            if (streams.contains(contents)) {
                out.push_back(index_of(
                    joined(component, "/Contents-", architecture), {contents}));
            }
            auto udebs = joined(component, "/debian-installer", name);
            if (streams.contains(udebs)) {
                out.push_back(index_of(udebs + "/Packages", {udebs}));
            }
        }
        out.push_back(
            index_of(component + "/source/Sources", {component + "/source"}));
        out.push_back(index_of(component + "/i18n/Translation-en",
                               {component + "/translation"}));
    }
    return out;
}

void place(IndexContext& ctx, const std::string& path, const Document& document,
           const DocumentOptions& options) {
    auto old = ctx.previous(path);
    if (old && old->digest == document.digest) {
        ctx.keep(path);
    } else {
        ctx.put(path, document, options);
    }
}

// The documents of one index under their names and their digests; the lines
// that a Release has of them.
std::string publish(IndexContext& ctx, std::string_view suite,
                    const BuiltIndex& index) {
    constexpr std::string_view kSuffix[] = {".gz", ".xz", ".zst"};
    constexpr std::string_view kMedia[] = {
        "application/gzip", "application/x-xz", "application/zstd"};
    auto folder = index.name.substr(0, index.name.rfind('/'));
    std::string release;
    auto line = [&](const Digest& digest, std::uint64_t size,
                    std::string_view suffix) {
        release += " " + std::string(digest.encoded()) + " " +
                   std::to_string(size) + " " + index.name +
                   std::string(suffix) + "\n";
    };
    auto show = [&](const Document& document, std::string_view suffix,
                    std::string_view media) {
        auto name = index.name + std::string(suffix);
        place(ctx, document_path(suite, name), document, {media});
        auto hash = folder + "/by-hash/SHA256/" +
                    std::string(document.digest.encoded());
        place(ctx, document_path(suite, hash), document,
              {media, false, kGraceMs});
    };
    line(*index.digest, index.size_bytes, "");
    if (index.plain) {
        show(*index.plain, "", "text/plain; charset=utf-8");
    }
    for (std::size_t i = 0; i < index.forms.size(); ++i) {
        line(index.forms[i].digest, index.forms[i].size_bytes, kSuffix[i]);
        show(index.forms[i], kSuffix[i], kMedia[i]);
    }
    return release;
}

std::string joined(const std::set<std::string>& words) {
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : " ") + word;
    }
    return out;
}

std::string release_date(std::int64_t ms) {
    auto date = http_date(ms / 1000);
    return date.replace(date.size() - 3, 3, "UTC");
}

Result<void> put_release(IndexContext& ctx, std::string_view suite,
                         const Shape& shape, const std::string& sums) {
    LS_TRY(settings, read_settings(ctx.repository().settings));
    auto or_key = [&](const std::string& text) {
        return text.empty() ? ctx.repository().key : text;
    };
    Stanza head;
    head.add("Origin", or_key(settings.origin));
    head.add("Label", or_key(settings.label));
    head.add("Suite", suite);
    head.add("Codename", suite);
    head.add("Date", release_date(ctx.now_ms()));
    if (settings.valid_for_days > 0) {
        head.add("Valid-Until",
                 release_date(ctx.now_ms() + settings.valid_for_days * kDayMs));
    }
    head.add("Acquire-By-Hash", "yes");
    if (shape.architectures.size() > 1) {
        head.add("No-Support-for-Architecture-all", "Packages");
    }
    head.add("Architectures", joined(shape.architectures));
    head.add("Components", joined(shape.components));
    if (!settings.description.empty()) {
        head.add("Description", settings.description);
    }
    auto text = write_stanza(head) + "SHA256:\n" + sums;
    auto* signer = ctx.signing();
    if (signer == nullptr) {
        return Error{Code::unavailable, "there is nothing to sign with"};
    }
    auto id = ctx.repository().id;
    LS_TRY(inside, signer->clear_sign(id, text));
    LS_TRY(beside, signer->detach_sign_armored(id, text, SignedBy::all));
    constexpr DocumentOptions kText{"text/plain; charset=utf-8"};
    LS_TRY(release, ctx.put(document_path(suite, "Release"), text, kText));
    LS_TRY(signature, ctx.put(document_path(suite, "Release.gpg"), beside,
                              {"application/pgp-signature"}));
    LS_TRY(in_release,
           ctx.put(document_path(suite, "InRelease"), inside, kText));
    static_cast<void>(release);
    static_cast<void>(signature);
    static_cast<void>(in_release);
    return {};
}

Result<std::string> string_setting(const nlohmann::json& json,
                                   const char* name) {
    auto found = json.find(name);
    if (found == json.end()) {
        return std::string();
    }
    auto text = found->is_string() ? found->get<std::string>() : "\n";
    if (text.size() > 255 || std::any_of(text.begin(), text.end(), [](char c) {
            return c >= 0 && c < ' ';
        })) {
        return Error{Code::invalid_argument,
                     std::string(name) + " is one line of at most 255 bytes"};
    }
    return text;
}

}  // namespace

Result<SuiteSettings> read_settings(std::string_view text) {
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return Error{Code::invalid_argument, "settings are a JSON object"};
    }
    SuiteSettings out;
    LS_TRY(origin, string_setting(json, "origin"));
    LS_TRY(label, string_setting(json, "label"));
    LS_TRY(description, string_setting(json, "description"));
    out.origin = std::move(origin);
    out.label = std::move(label);
    out.description = std::move(description);
    if (auto days = json.find("valid_for_days"); days != json.end()) {
        if (!days->is_number_integer() || days->get<std::int64_t>() < 0 ||
            days->get<std::int64_t>() > kMaxValidDays) {
            return Error{Code::invalid_argument,
                         "valid_for_days is a number of days up to " +
                             std::to_string(kMaxValidDays) + ", 0 for ever"};
        }
        out.valid_for_days = days->get<std::int64_t>();
    }
    if (auto list = json.find("architectures"); list != json.end()) {
        for (const auto& one : *list) {
            auto name = one.is_string() ? one.get<std::string>() : "";
            if (!list->is_array() || !is_architecture(name)) {
                return Error{Code::invalid_argument,
                             "architectures is a list of their names"};
            }
            out.architectures.push_back(std::move(name));
        }
    }
    return out;
}

std::int64_t renew_after_ms(const SuiteSettings& settings) {
    return settings.valid_for_days * kDayMs / 2;
}

std::string late_path(std::string_view suite) {
    return ".segments/" + std::string(suite) + "/late";
}

std::string document_path(std::string_view suite, std::string_view name) {
    return "dists/" + std::string(suite) + "/" + std::string(name);
}

Result<void> make_suite(IndexContext& ctx, std::string_view suite) {
    LS_TRY(settings, read_settings(ctx.repository().settings));
    auto of_suite = [suite](const std::vector<PackageFile>& files,
                            BucketTexts& texts) {
        return render(suite, files, texts);
    };
    LS_TRY(segments, Segments::open(ctx, suite, kRenderer, of_suite));
    Shape shape;
    LS_CHECK(remember(ctx, suite, shape));
    for (const auto& [stream, size] : segments.streams()) {
        add_stream(stream, shape);
    }
    if (shape.components.empty()) {
        return {};  // nobody ever published here
    }
    shape.architectures.insert("all");
    shape.architectures.insert(settings.architectures.begin(),
                               settings.architectures.end());
    auto indexes = indexes_of(shape, segments);
    auto late = ctx.previous(late_path(suite));
    bool waited = late && late->modified_at_ms < ctx.now_ms() - kMaxLateMs;
    if (let_lag(indexes, segments, waited)) {
        LS_TRY(mark, ctx.put(late_path(suite), "late\n"));
        static_cast<void>(mark);
    }
    LS_TRY(built, segments.build(indexes));
    std::string sums;
    for (const auto& index : built) {
        sums += publish(ctx, suite, index);
    }
    return put_release(ctx, suite, shape, sums);
}

}  // namespace longshore::debian
