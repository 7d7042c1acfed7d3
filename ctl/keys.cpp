// Keys that sign what repositories publish.
#include <cstdio>
#include <fstream>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/secret_input.hpp"
#include "db/database.hpp"
#include "registry/signer.hpp"

namespace longshore {
namespace {

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Result<SecretBytes> read_key(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    SecretBytes bytes(kMaxOpenPgpKeys + 1);
    // The stream's own memory would not be wiped.
    in.rdbuf()->pubsetbuf(nullptr, 0);
    in.read(reinterpret_cast<char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
    if (!in.is_open() || in.bad()) {
        return bad("cannot read " + file);
    }
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > kMaxOpenPgpKeys) {
        return bad(file + " is longer than " + std::to_string(kMaxOpenPgpKeys) +
                   " bytes");
    }
    return bytes;
}

Json key_json(const SigningKeyInfo& key) {
    return {{"kind", key.kind},
            {"state", key.state},
            {"origin", key.origin},
            {"algorithm", key.algorithm},
            {"fingerprint", key.fingerprint},
            {"key_id", key.key_id},
            {"user_id", key.user_id},
            {"created", time_json(key.created_at_ms)},
            {"expires", time_json(key.expires_at_ms)},
            {"published_until", time_json(key.published_until_ms)},
            {"retired", time_json(key.retired_at_ms)},
            {"public_key", key.public_key}};
}

// What every command here works with.
struct Keys {
    std::unique_ptr<Signer> signer;
    std::int64_t repository = 0;
};

Result<Keys> keys_of(Context& context) {
    LS_TRY(database, context.database());
    LS_TRY(config, context.config());
    Keys keys;
    keys.signer = std::make_unique<Signer>(*database, config->root);
    LS_TRY(id, keys.signer->repository(context.args.repository));
    keys.repository = id;
    return keys;
}

Result<std::int64_t> overlap_of(const Context& context) {
    const auto& text = context.args.overlap;
    if (text == "0") {
        return std::int64_t{0};
    }
    auto now = unix_ms();
    auto end = parse_end(text, now);
    if (!end || *end <= now) {
        return bad("\"" + text + "\" is no time; such as 30d, 12h, 0");
    }
    return (*end - now) / 1000;
}

int say_key(const Context& context, const char* done,
            const SigningKeyInfo& key) {
    return say_done(context, done,
                    key.kind + " key " + key.fingerprint + " of " +
                        context.args.repository + " " + done,
                    key_json(key));
}

}  // namespace

Result<int> list_keys(Context& context) {
    LS_TRY(keys, keys_of(context));
    LS_TRY(all, keys.signer->list(keys.repository));
    Json list = Json::array();
    Table table({"KIND", "STATE", "ALGORITHM", "FINGERPRINT", "CREATED",
                 "PUBLISHED UNTIL"});
    for (const auto& key : all) {
        list.push_back(key_json(key));
        table.add({key.kind, key.state, key.algorithm, key.fingerprint,
                   time_text(key.created_at_ms, ""),
                   time_text(key.published_until_ms, "")});
    }
    if (context.json()) {
        print_json({{"keys", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> create_key(Context& context) {
    hide_process();
    const auto& args = context.args;
    LS_TRY(kind, parse_signing_kind(args.kind));
    LS_TRY(keys, keys_of(context));
    LS_TRY(key, keys.signer->create(keys.repository, kind, args.algorithm,
                                    context.actor()));
    return say_key(context, "made", key);
}

Result<int> rotate_key(Context& context) {
    hide_process();
    const auto& args = context.args;
    LS_TRY(kind, parse_signing_kind(args.kind));
    LS_TRY(overlap, overlap_of(context));
    LS_TRY(keys, keys_of(context));
    LS_TRY(key, keys.signer->rotate(keys.repository, kind, args.algorithm,
                                    overlap, context.actor()));
    return say_key(context, "made", key);
}

Result<int> import_key(Context& context) {
    hide_process();
    const auto& args = context.args;
    LS_TRY(overlap, overlap_of(context));
    // Before root becomes somebody else.
    LS_TRY(bytes, read_key(args.key_file));
    SecretBytes passphrase;
    if (args.password_stdin) {
        LS_TRY(given, read_secret_from_stdin());
        passphrase.assign(given.view().begin(), given.view().end());
    }
    LS_TRY(keys, keys_of(context));
    LS_TRY(key,
           keys.signer->import_openpgp(keys.repository, view_of(bytes),
                                       passphrase, overlap, context.actor()));
    return say_key(context, "imported", key);
}

Result<int> export_keys(Context& context) {
    const auto& args = context.args;
    LS_TRY(kind, parse_signing_kind(args.kind));
    bool openpgp = kind == SigningKind::openpgp;
    if (args.binary && (!openpgp || context.json())) {
        return bad("--binary is for the OpenPGP keys alone");
    }
    LS_TRY(keys, keys_of(context));
    LS_TRY(all, keys.signer->list(keys.repository));
    bool active = false;
    for (const auto& key : all) {
        active = active || (key.kind == args.kind && key.state == "active");
    }
    if (!active) {
        return Error{Code::not_found,
                     args.repository + " has no " + args.kind + " key yet"};
    }
    LS_TRY(published, keys.signer->published(keys.repository, kind));
    std::string text;
    Json list = Json::array();
    for (const auto& key : published) {
        text += key.public_key;
        list.push_back(key_json(key));
    }
    if (context.json()) {
        print_json({{"keys", list}});
        return kDone;
    }
    if (openpgp) {
        LS_TRY(document,
               args.binary ? keys.signer->public_keys_binary(keys.repository)
                           : keys.signer->public_keys_armored(keys.repository));
        text = std::move(document);
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kDone;
}

Result<int> remove_key(Context& context) {
    const auto& args = context.args;
    LS_TRY(keys, keys_of(context));
    LS_TRY(key, keys.signer->remove(keys.repository, args.fingerprint,
                                    context.actor()));
    return say_key(context, "removed", key);
}

}  // namespace longshore
