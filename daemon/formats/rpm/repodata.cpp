#include "formats/rpm/repodata.hpp"

#include <nlohmann/json.hpp>

#include "archive/compress.hpp"
#include "registry/blobs.hpp"
#include "registry/segments.hpp"
#include "registry/signer.hpp"
#include "syntax/rpm_header.hpp"
#include "syntax/xml.hpp"

namespace longshore::rpm {
namespace {

using Json = nlohmann::json;

// Of the rows below; another number has all of them made anew.
constexpr std::uint32_t kRenderer = 1;
// Who has read a repomd.xml asks for what it lists within minutes.
constexpr std::int64_t kGraceMs = 15 * 60 * 1000;
// The count of packages stands before all rows, so each new one costs a hash
// of them all. It is a hint to clients: exact up to here, then in such steps,
// and in longer ones where that hash takes long.
constexpr std::uint64_t kCountStep = 512;
constexpr std::uint64_t kLongCountStep = 4096;
constexpr std::size_t kPage = 1000;

constexpr std::string_view kPrimary = "primary";
constexpr std::string_view kFilelists = "filelists";
constexpr std::string_view kOther = "other";
constexpr std::string_view kDeclaration =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

std::string text_of(const Json& from, const char* name) {
    auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

std::string number_of(const Json& from, const char* name) {
    auto found = from.find(name);
    return std::to_string(found != from.end() && found->is_number_unsigned()
                              ? found->get<std::uint64_t>()
                              : 0);
}

const Json& list_of(const Json& from, const char* name) {
    static const Json kNone = Json::array();
    auto found = from.find(name);
    return found != from.end() && found->is_array() ? *found : kNone;
}

// Rows of one stream: what a document has within a root element that is not
// theirs.
class Rows {
public:
    Rows()
        : writer_(
              [this](std::string_view bytes) -> Result<void> {
                  text_ += bytes;
                  return {};
              },
              XmlWriter::Style::compact) {
        writer_.open("rows");
    }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    XmlWriter& writer() noexcept { return writer_; }
    void count() noexcept { ++rows_; }

    void finish(BucketTexts& texts, std::string_view stream) {
        static_cast<void>(writer_.finish());
        auto first = text_.find("<rows>");
        auto last = text_.rfind("</rows>");
        if (rows_ > 0 && last != text_.npos) {
            first += std::string_view("<rows>").size();
            texts.emplace(stream,
                          StreamText{text_.substr(first, last - first), rows_});
        }
    }

private:
    std::string text_;
    std::uint64_t rows_ = 0;
    XmlWriter writer_;
};

void add_version(XmlWriter& out, const Json& facts) {
    out.open("version")
        .attribute("epoch", text_of(facts, "epoch"))
        .attribute("ver", text_of(facts, "version"))
        .attribute("rel", text_of(facts, "release"))
        .close();
}

void add_relations(XmlWriter& out, const Json& facts, const char* kind) {
    const auto& list = list_of(facts, kind);
    if (list.empty()) {
        return;
    }
    constexpr std::array kNames = {"name", "flags", "epoch", "ver", "rel"};
    out.open("rpm:" + std::string(kind));
    for (const auto& relation : list) {
        out.open("rpm:entry");
        for (std::size_t i = 0; i < kNames.size() && i < relation.size(); ++i) {
            auto value = relation[i].get<std::string>();
            if (!value.empty()) {
                out.attribute(kNames[i], value);
            }
        }
        if (relation.size() > kNames.size()) {
            out.attribute("pre", "1");
        }
        out.close();
    }
    out.close();
}

void add_files(XmlWriter& out, const Json& facts, bool primary) {
    for (const auto& one : list_of(facts, "files")) {
        const auto& text = one.get_ref<const std::string&>();
        auto path = std::string_view(text).substr(1);
        if (primary && !is_primary_file(path)) {
            continue;
        }
        out.open("file");
        if (text.front() != 'f') {
            out.attribute("type", text.front() == 'd' ? "dir" : "ghost");
        }
        out.text(path).close();
    }
}

void add_primary(XmlWriter& out, const PackageFile& one, const Json& facts,
                 std::string_view href) {
    out.open("package").attribute("type", "rpm");
    out.element("name", text_of(facts, "name"));
    out.element("arch", text_of(facts, "arch"));
    add_version(out, facts);
    out.open("checksum")
        .attribute("type", "sha256")
        .attribute("pkgid", "YES")
        .text(one.file.digest.encoded())
        .close();
    for (const char* name : {"summary", "description", "packager", "url"}) {
        out.element(name, text_of(facts, name));
    }
    out.open("time")
        .attribute("file", std::to_string(one.file.created_at_ms / 1000))
        .attribute("build", number_of(facts, "build_time"))
        .close();
    out.open("size")
        .attribute("package", std::to_string(one.file.size_bytes))
        .attribute("installed", number_of(facts, "installed_size"))
        .attribute("archive", number_of(facts, "archive_size"))
        .close();
    out.open("location").attribute("href", href).close();
    out.open("format");
    out.element("rpm:license", text_of(facts, "license"));
    out.element("rpm:vendor", text_of(facts, "vendor"));
    out.element("rpm:group", text_of(facts, "group"));
    out.element("rpm:buildhost", text_of(facts, "build_host"));
    out.element("rpm:sourcerpm", text_of(facts, "source_rpm"));
    out.open("rpm:header-range")
        .attribute("start", number_of(facts, "header_start"))
        .attribute("end", number_of(facts, "header_end"))
        .close();
    for (const char* kind :
         {"provides", "requires", "conflicts", "obsoletes", "suggests",
          "enhances", "recommends", "supplements"}) {
        add_relations(out, facts, kind);
    }
    add_files(out, facts, true);
    out.close().close().text("\n");
}

void open_package(XmlWriter& out, const PackageFile& one, const Json& facts) {
    out.open("package")
        .attribute("pkgid", one.file.digest.encoded())
        .attribute("name", text_of(facts, "name"))
        .attribute("arch", text_of(facts, "arch"));
    add_version(out, facts);
}

void add_changes(XmlWriter& out, const Json& facts) {
    for (const auto& one : list_of(facts, "changes")) {
        out.open("changelog")
            .attribute("author", one[0].get<std::string>())
            .attribute("date", std::to_string(one[1].get<std::uint64_t>()))
            .text(one[2].get<std::string>())
            .close();
    }
}

Result<void> render(std::string_view group,
                    const std::vector<PackageFile>& files, BucketTexts& texts) {
    Rows primary;
    Rows filelists;
    Rows other;
    auto folder = folder_of(group);
    for (const auto& one : files) {
        if (group_of(one.file.path) != group) {
            continue;
        }
        auto facts = Json::parse(one.file.data, nullptr, false);
        if (!facts.is_object()) {
            return Error{Code::corrupt, "a package without its facts"};
        }
        add_primary(primary.writer(), one, facts,
                    std::string_view(one.file.path).substr(folder.size()));
        open_package(filelists.writer(), one, facts);
        add_files(filelists.writer(), facts, false);
        filelists.writer().close().text("\n");
        open_package(other.writer(), one, facts);
        add_changes(other.writer(), facts);
        other.writer().close().text("\n");
        for (auto* rows : {&primary, &filelists, &other}) {
            rows->count();
        }
    }
    primary.finish(texts, kPrimary);
    filelists.finish(texts, kFilelists);
    other.finish(texts, kOther);
    return {};
}

struct Form {
    Encoding encoding = Encoding::gzip;
    std::string_view suffix = ".gz";
    std::string_view media_type = "application/gzip";
};

Form form_of(const Repository& repository) {
    auto json = Json::parse(repository.settings, nullptr, false);
    return json.is_object() && text_of(json, "compression") == "zstd"
               ? Form{Encoding::zstd, ".zst", "application/zstd"}
               : Form{};
}

SegmentedIndex index_of(std::string_view stream, std::uint64_t rows,
                        Encoding form) {
    if (rows > kCountStep) {
        auto step = rows > kLongCountStep ? kLongCountStep : kCountStep;
        rows = (rows + step - 1) / step * step;
    }
    auto root = std::string(stream == kPrimary ? "metadata"
                            : stream == kOther ? "otherdata"
                                               : "filelists");
    auto space = "http://linux.duke.edu/metadata/" +
                 std::string(stream == kPrimary ? "common" : stream);
    SegmentedIndex index;
    index.name = stream;
    index.streams = {std::string(stream)};
    index.head = std::string(kDeclaration) + "<" + root + " xmlns=\"" + space +
                 "\"" +
                 (stream == kPrimary
                      ? " xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\""
                      : "") +
                 " packages=\"" + std::to_string(rows) + "\">\n";
    index.tail = "</" + root + ">\n";
    index.forms = {form};
    return index;
}

// A <data> of repomd.xml.
struct Entry {
    std::string type;
    std::string href;
    Document document;
    std::string open_digest;  // "": it is not compressed
    std::uint64_t open_size = 0;
};

void add_checksum(XmlWriter& out, std::string_view name,
                  std::string_view value) {
    out.open(name).attribute("type", "sha256").text(value).close();
}

Result<std::string> repomd(const std::vector<Entry>& entries,
                           std::int64_t now_ms) {
    std::string text;
    XmlWriter out([&](std::string_view bytes) -> Result<void> {
        text += bytes;
        return {};
    });
    out.open("repomd")
        .attribute("xmlns", "http://linux.duke.edu/metadata/repo")
        .attribute("xmlns:rpm", "http://linux.duke.edu/metadata/rpm");
    out.element("revision", std::to_string(now_ms / 1000));
    for (const auto& entry : entries) {
        out.open("data").attribute("type", entry.type);
        add_checksum(out, "checksum", entry.document.digest.encoded());
        if (!entry.open_digest.empty()) {
            add_checksum(out, "open-checksum", entry.open_digest);
        }
        out.open("location").attribute("href", entry.href).close();
        out.element("timestamp",
                    std::to_string(entry.document.modified_at_ms / 1000));
        out.element("size", std::to_string(entry.document.size_bytes));
        if (!entry.open_digest.empty()) {
            out.element("open-size", std::to_string(entry.open_size));
        }
        out.close();
    }
    LS_CHECK(out.finish());
    return text;
}

// The making of one group.
class Group {
public:
    Group(IndexContext& ctx, std::string_view group)
        : ctx_(ctx),
          folder_(folder_of(group)),
          form_(form_of(ctx.repository())) {}

    Result<void> add_packages(Segments& segments) {
        std::vector<SegmentedIndex> indexes;
        for (auto stream : {kPrimary, kFilelists, kOther}) {
            auto found = segments.streams().find(stream);
            auto rows =
                found == segments.streams().end() ? 0 : found->second.rows;
            indexes.push_back(index_of(stream, rows, form_.encoding));
        }
        LS_TRY(built, segments.build(indexes));
        for (const auto& index : built) {
            const auto& document = index.forms.front();
            auto href = std::string(kRepodata) +
                        std::string(document.digest.encoded()) + "-" +
                        index.name + ".xml" + std::string(form_.suffix);
            // Not for ever: another one has another name.
            if (ctx_.previous(folder_ + href)) {
                ctx_.keep(folder_ + href);
            } else {
                ctx_.put(folder_ + href, document,
                         {form_.media_type, false, kGraceMs});
            }
            entries_.push_back({index.name, href, document,
                                std::string(index.digest->encoded()),
                                index.size_bytes});
        }
        return {};
    }

    Result<void> add_loose(const StoredFile& file, const LooseKind& kind) {
        auto name = std::string(kRepodata) +
                    std::string(file.digest.encoded()) + "-" +
                    std::string(kind.file);
        LS_TRY(packed, place(file, name + std::string(form_.suffix),
                             form_.media_type, true));
        auto type = std::string(kind.type);
        if (kind.plain) {
            LS_TRY(plain, place(file, name, kind.media_type, false));
            entries_.push_back({type, name, plain, "", 0});
            type += form_.encoding == Encoding::gzip ? "_gz" : "_zst";
        }
        entries_.push_back({type, name + std::string(form_.suffix), packed,
                            std::string(file.digest.encoded()),
                            file.size_bytes});
        return {};
    }

    Result<void> finish() {
        auto path = folder_ + std::string(kRepodata) + "repomd.xml";
        LS_TRY(text, repomd(entries_, ctx_.now_ms()));
        if (ctx_.signing() == nullptr) {
            return Error{Code::unavailable, "there is nothing to sign with"};
        }
        LS_TRY(signature,
               ctx_.signing()->detach_sign_armored(ctx_.repository().id, text));
        LS_TRY(made, ctx_.put(path, text, {"application/xml"}));
        LS_TRY(beside, ctx_.put(path + ".asc", signature,
                                {"application/pgp-signature"}));
        static_cast<void>(made);
        static_cast<void>(beside);
        return {};
    }

private:
    // Its name tells what is in it, so one that is there is the same.
    Result<Document> place(const StoredFile& file, const std::string& href,
                           std::string_view media_type, bool packed) {
        auto path = folder_ + href;
        if (auto old = ctx_.previous(path)) {
            ctx_.keep(path);
            return *old;
        }
        LS_TRY(source, ctx_.open(file.digest));
        LS_TRY(bytes, Blobs::read_all(*source, kMaxLoose));
        return ctx_.put(path, packed ? compress(form_.encoding, bytes) : bytes,
                        {media_type, false, kGraceMs});
    }

    IndexContext& ctx_;
    std::string folder_;
    Form form_;
    std::vector<Entry> entries_;
};

}  // namespace

std::string folder_of(std::string_view group) {
    return group.empty() ? std::string() : std::string(group) + "/";
}

std::string_view group_of(std::string_view path) {
    for (auto mark : {kPackages, kRepodata}) {
        auto at = path.rfind(mark);
        if (at == 0) {
            return {};
        }
        if (at != path.npos && path[at - 1] == '/') {
            return path.substr(0, at - 1);
        }
    }
    return {};
}

Result<void> check_settings(std::string_view settings) {
    auto json = Json::parse(settings, nullptr, false);
    if (!json.is_object()) {
        return Error{Code::invalid_argument, "settings are a JSON object"};
    }
    auto found = json.find("compression");
    if (found != json.end() && *found != "gzip" && *found != "zstd") {
        return Error{Code::invalid_argument,
                     "compression is \"gzip\" or \"zstd\""};
    }
    return {};
}

Result<void> make_group(IndexContext& ctx, std::string_view group) {
    auto of_group = [group](const std::vector<PackageFile>& files,
                            BucketTexts& texts) {
        return render(group, files, texts);
    };
    auto name =
        group.empty() ? std::string("root") : "group/" + std::string(group);
    LS_TRY(segments, Segments::open(ctx, name, kRenderer, of_group));
    auto folder = folder_of(group) + std::string(kRepodata);
    LS_TRY(loose, ctx.files_in(folder, kPage, ""));
    // The root is there from the beginning, a group once it has anything.
    if (!group.empty() && segments.streams().empty() && loose.empty() &&
        !ctx.previous(folder + "repomd.xml")) {
        return {};
    }
    Group making(ctx, group);
    LS_CHECK(making.add_packages(segments));
    for (const auto& kind : kLooseKinds) {
        for (const auto& file : loose) {
            if (file.path == folder + std::string(kind.file)) {
                LS_CHECK(making.add_loose(file, kind));
            }
        }
    }
    return making.finish();
}

}  // namespace longshore::rpm
