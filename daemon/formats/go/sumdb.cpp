#include "formats/go/sumdb.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "common/hash.hpp"
#include "formats/go/base64.hpp"
#include "formats/go/module_path.hpp"
#include "registry/signer.hpp"
#include "syntax/base64_stream.hpp"

namespace longshore::go {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxName = 200;
constexpr std::size_t kPublicKey = 32;
constexpr std::size_t kTileWidth = 256;
constexpr std::int64_t kTileHeight = 8;
constexpr std::int64_t kMaxLevel = 7;  // 2^56 records and above: none
constexpr std::size_t kMaxTilePath = 40;
constexpr char kEd25519 = 1;  // note.algEd25519
constexpr const char* kSetting = "checksum_database";

Error no_such_database() {
    return Error{Code::not_found, "no such checksum database here"};
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name.front() != '/' &&
           name.back() != '/' && name.find("//") == name.npos &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_' || c == '/';
           });
}

// "" without one.
std::string name_in(std::string_view settings) {
    auto json = Json::parse(settings, nullptr, false);
    if (!json.is_object() || !json.contains(kSetting)) {
        return {};
    }
    const auto& name = json[kSetting];
    return name.is_string() ? name.get<std::string>() : std::string("/");
}

// Clients keep what they know of a database under its name, so it is one in
// the world: host and path of the repository, without the port, which some
// file systems do not take.
std::string name_of(const Context& ctx) {
    if (auto name = name_in(ctx.repository->settings); !name.empty()) {
        return name;
    }
    std::string_view url = ctx.base_url;
    url.remove_prefix(std::min(url.find("://") + 3, url.size()));
    auto slash = std::min(url.find('/'), url.size());
    auto host = url.substr(0, slash);
    if (host.find(']') == host.npos) {
        host = host.substr(0, host.find(':'));
    } else {
        host = "ipv6";  // "[::1]" would need an escape in a path
    }
    return std::string(host) + std::string(url.substr(slash));
}

Result<void> check_name(const Context& ctx, const Request& request) {
    return request.parameter("name") == name_of(ctx)
               ? Result<void>()
               : Result<void>(no_such_database());
}

Reply text_reply(std::string text) {
    Reply reply;
    reply.media_type = "text/plain; charset=utf-8";
    reply.body = InlineBody{std::move(text)};
    return reply;
}

// What never changes once it is there.
Reply tile_reply(const Context& ctx, std::string bytes) {
    Reply reply;
    reply.media_type = "application/octet-stream";
    reply.body = InlineBody{std::move(bytes)};
    reply.header("Cache-Control", "max-age=31536000, immutable");
    reply.ttl_ms = ctx.settings.cache_ttl_ms;
    reply.keys.push_back(key::package(ctx.repository->key, ""));
    return reply;
}

// The 32 bytes at the end of a SubjectPublicKeyInfo (RFC 8410 section 4).
Result<std::string> key_in_pem(std::string_view pem) {
    std::string body;
    while (!pem.empty()) {
        auto line = pem.substr(0, pem.find('\n'));
        pem.remove_prefix(std::min(line.size() + 1, pem.size()));
        body += line.starts_with("-----") ? "" : line;
    }
    std::string der;
    Base64Stream stream;
    LS_CHECK(stream.add(body, der));
    LS_CHECK(stream.finish());
    if (der.size() <= kPublicKey) {
        return Error{Code::corrupt, "a public key is too short"};
    }
    return der.substr(der.size() - kPublicKey);
}

// Algorithm and key, as a note's key has them.
Result<std::string> public_key(const Context& ctx) {
    if (ctx.signing == nullptr) {
        return Error{Code::unavailable, "nothing to sign with"};
    }
    LS_TRY(keys,
           ctx.signing->published(ctx.repository->id, SigningKind::ed25519));
    if (keys.empty()) {
        return Error{Code::internal, "no signing key was made"};
    }
    LS_TRY(bytes, key_in_pem(keys[0].public_key));
    return kEd25519 + bytes;
}

// The first four bytes of SHA-256(name, newline, key), in hex.
std::string key_hash(const std::string& name, const std::string& key) {
    auto digest = digest_of(Algorithm::sha256, name + "\n" + key);
    return std::string(digest.encoded().substr(0, 8));
}

// package tlog, FormatTree; package note, Sign.
Result<std::string> signed_tree(const Context& ctx, const LogTree& tree) {
    auto text = "go.sum database tree\n" + std::to_string(tree.size) + "\n" +
                base64(tree.root) + "\n";
    LS_TRY(key, public_key(ctx));
    LS_TRY(signature, ctx.signing->sign_ed25519(ctx.repository->id, text));
    auto name = name_of(ctx);
    return text + "\n\u2014 " + name + " " +
           base64(hex_decode(key_hash(name, key)) + signature) + "\n";
}

struct Tile {
    std::int64_t level = 0;  // -1: the records themselves
    std::int64_t number = 0;
    std::size_t width = kTileWidth;
};

std::optional<std::int64_t> read_number(std::string_view text) {
    std::int64_t number = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number);
    bool good = error == std::errc() && end == text.data() + text.size() &&
                number >= 0 && !text.empty() && text[0] != '-';
    return good ? std::optional(number) : std::nullopt;
}

// "x001/x234/067": three digits each, an x before all but the last.
std::optional<std::int64_t> read_tile_number(std::string_view text) {
    std::int64_t number = 0;
    for (bool first = true;; first = false) {
        bool last = text.find('/') == text.npos;
        auto part = text.substr(0, text.find('/'));
        if (!last && !part.starts_with('x')) {
            return std::nullopt;
        }
        part.remove_prefix(last ? 0 : 1);
        auto digits = part.size() == 3 ? read_number(part) : std::nullopt;
        if (!digits || (first && !last && *digits == 0)) {
            return std::nullopt;
        }
        number = number * 1000 + *digits;
        if (last) {
            return number;
        }
        text.remove_prefix(text.find('/') + 1);
    }
}

// "8/<level or data>/<number>[.p/<width>]" without its beginning.
Result<Tile> read_tile(std::string_view level, std::string_view number) {
    Error wrong{Code::not_found, "no such tile"};
    Tile tile;
    auto parsed_level = level == "data" ? -1 : read_number(level).value_or(-2);
    if (parsed_level < -1 || parsed_level > kMaxLevel ||
        number.size() > kMaxTilePath || (level.size() > 1 && level != "data")) {
        return wrong;
    }
    tile.level = parsed_level;
    if (auto part = number.find(".p/"); part != number.npos) {
        auto text = number.substr(part + 3);
        auto width = read_number(text).value_or(0);
        if (width < 1 || width >= static_cast<std::int64_t>(kTileWidth) ||
            text[0] == '0') {
            return wrong;
        }
        tile.width = static_cast<std::size_t>(width);
        number = number.substr(0, part);
    }
    auto parsed = read_tile_number(number);
    // Beyond this no log is; what follows cannot overflow.
    if (!parsed || *parsed > (std::int64_t{1} << 50)) {
        return wrong;
    }
    tile.number = *parsed;
    return tile;
}

}  // namespace

std::string log_subject(std::string_view path, std::string_view version) {
    return std::string(path) + "@" + std::string(version);
}

Result<Reply> sumdb_supported(Context& ctx, const Request& request) {
    LS_CHECK(check_name(ctx, request));
    return text_reply("this is the checksum database\n");
}

Result<Reply> sumdb_latest(Context& ctx, const Request& request) {
    LS_CHECK(check_name(ctx, request));
    LS_TRY(tree, ctx.transparency.tree(ctx.repository->id));
    LS_TRY(text, signed_tree(ctx, tree));
    return text_reply(std::move(text));
}

Result<Reply> sumdb_lookup(Context& ctx, const Request& request) {
    LS_CHECK(check_name(ctx, request));
    std::string_view what = request.parameter("module");
    auto at = what.find('@');
    if (at == what.npos) {
        return Error{Code::invalid_argument, "look up MODULE@VERSION"};
    }
    LS_TRY(path, unescape(what.substr(0, at)));
    LS_TRY(version, unescape(what.substr(at + 1)));
    LS_TRY(entry, ctx.transparency.find(ctx.repository->id,
                                        log_subject(path, version)));
    LS_TRY(tree, signed_tree(ctx, entry.tree));
    return text_reply(std::to_string(entry.number) + "\n" + entry.record +
                      "\n" + tree);
}

Result<Reply> sumdb_tile(Context& ctx, const Request& request) {
    LS_CHECK(check_name(ctx, request));
    LS_TRY(tile,
           read_tile(request.parameter("level"), request.parameter("number")));
    auto first = tile.number * static_cast<std::int64_t>(kTileWidth);
    auto repository = ctx.repository->id;
    if (tile.level >= 0) {
        LS_TRY(hashes,
               ctx.transparency.hashes(repository, tile.level * kTileHeight,
                                       first, tile.width));
        return tile_reply(ctx, std::move(hashes));
    }
    LS_TRY(records, ctx.transparency.records(repository, first, tile.width));
    std::string text;
    for (const auto& record : records) {
        text += record + "\n";
    }
    return tile_reply(ctx, std::move(text));
}

Result<Reply> sumdb_key(Context& ctx, const Request&) {
    LS_TRY(key, public_key(ctx));
    auto name = name_of(ctx);
    return text_reply(name + "+" + key_hash(name, key) + "+" + base64(key) +
                      " " + ctx.base_url + "/sumdb/" + name + "\n");
}

Result<void> check_sumdb_settings(std::string_view settings) {
    auto name = name_in(settings);
    if (!name.empty() && !is_name(name)) {
        return Error{Code::invalid_argument,
                     "checksum_database is host[/path] of lower-case letters, "
                     "digits, '.', '-' and '_'"};
    }
    return {};
}

}  // namespace longshore::go
