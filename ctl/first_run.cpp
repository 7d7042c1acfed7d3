// The first administrator: by a password given here, or by a link that is
// opened in a browser.
#include <cstdio>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/secret_input.hpp"

namespace longshore {
namespace {

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Result<int> make(Context& context) {
    const auto& name = context.args.name;
    LS_CHECK(refuse_bad_name(name));
    LS_TRY(first_run, context.first_run());
    // Before anybody types a password for nothing.
    LS_TRY(known, first_run.administrator());
    if (!known.empty()) {
        return Error{Code::already_exists,
                     "there is an administrator already: " + known +
                         "; a new password: registryctl user password " +
                         known};
    }
    LS_TRY(password, read_new_password(name, context.args.password_stdin));
    LS_CHECK(
        first_run.make_administrator(name, password.view(), context.actor()));
    return say_done(context, "added",
                    "administrator " + name + " added; now: docker login",
                    {{"kind", "user"}, {"name", name}});
}

// Without a way below it, which would be the daemon's own.
Result<std::string> base(const Context& context, const Config& config) {
    auto url = context.args.url.empty() ? config.public_url : context.args.url;
    if (url.empty()) {
        return std::string("https://REGISTRY");
    }
    bool web = url.starts_with("http://") || url.starts_with("https://");
    bool plain =
        url.find_first_of("#?\"'<> \\") == url.npos && clean(url) == url;
    if (!web || !plain) {
        return bad("\"" + url +
                   "\" is no address of a registry, such as "
                   "https://registry.example.com");
    }
    while (url.ends_with('/')) {
        url.pop_back();
    }
    return url;
}

Result<int> make_link(Context& context) {
    hide_process();
    LS_TRY(config, context.config());
    if (config->auth != "on") {
        return bad(
            "auth is off in the settings, so everybody may do everything; "
            "switch it on first");
    }
    LS_TRY(url, base(context, *config));
    LS_TRY(first_run, context.first_run());
    LS_TRY(key, first_run.make_key(unix_ms()));
    auto link = url;
    link += kSetupTarget;
    link += "#" + key.text;
    if (context.json()) {
        print_json({{"done", "added"},
                    {"link", link},
                    {"expires", time_json(key.expires_at_ms)}});
        return kDone;
    }
    std::fprintf(stderr, "makes the first administrator, once, until %s%s:\n",
                 time_text(key.expires_at_ms, "").c_str(),
                 context.args.url.empty() && config->public_url.empty()
                     ? "; put the registry's address in place of "
                       "https://REGISTRY"
                     : "");
    std::printf("%s\n", link.c_str());
    return kDone;
}

}  // namespace

Result<int> setup(Context& context) {
    if (!context.args.repository.empty()) {
        return setup_client(context);
    }
    if (!context.args.url.empty() && !context.args.link) {
        return bad("--url goes with --link or --repository");
    }
    if (context.args.link) {
        return make_link(context);
    }
    if (context.args.name.empty()) {
        return bad(
            "the administrator's NAME is wanted, or --link (registryctl setup "
            "--help)");
    }
    return make(context);
}

}  // namespace longshore
