#include "ctl/doctor.hpp"

#include <array>
#include <cstdlib>
#include <ctime>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "ctl/output.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kSoonDays = 14;
constexpr std::int64_t kSkewWarn = 30;
constexpr std::int64_t kSkewFail = 300;
// More than nginx's usual limit of 1 MiB, and than one buffer of a proxy.
constexpr std::size_t kUpload = 4U << 20U;

constexpr const char* kForwarded =
    "a proxy in front must send the client's Host and "
    "X-Forwarded-Proto: proxy_set_header Host $http_host; proxy_set_header "
    "X-Forwarded-Proto $scheme;";
constexpr const char* kManifests =
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

std::string base64(std::string_view text) {
    std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
    auto length =
        ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(text.data()),
                          static_cast<int>(text.size()));
    out.resize(static_cast<std::size_t>(length));
    return out;
}

// The value of name="…" in a challenge.
std::string parameter(const std::string& challenge, const std::string& name) {
    auto at = challenge.find(name + "=\"");
    if (at == std::string::npos) {
        return "";
    }
    at += name.size() + 2;
    auto end = challenge.find('"', at);
    return end == std::string::npos ? "" : challenge.substr(at, end - at);
}

std::string member(const std::string& json, const char* name) {
    auto body = Json::parse(json, nullptr, false);
    return body.is_object() && body.contains(name) && body[name].is_string()
               ? body[name].get<std::string>()
               : std::string();
}

// The digest of the first one that a list of a manifest names.
std::string first_digest(const Json& body, const char* name) {
    if (!body.is_object() || !body.contains(name)) {
        return "";
    }
    const auto& list = body[name];
    const auto& one = list.is_array() && !list.empty() ? list[0] : list;
    return one.is_object() && one.contains("digest") &&
                   one["digest"].is_string()
               ? one["digest"].get<std::string>()
               : std::string();
}

bool is_this_machine(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string status_text(const WebAnswer& answer) {
    return "status " + std::to_string(answer.status);
}

}  // namespace

const char* health_name(Health health) noexcept {
    constexpr std::array kNames = {"ok", "warn", "fail", "not checked"};
    return kNames.at(static_cast<std::size_t>(health));
}

void Doctor::say(const char* check, Health health, std::string found,
                 std::string advice) {
    findings_.push_back({check, health, std::move(found), std::move(advice)});
}

Result<std::vector<Finding>> Doctor::run() {
    if (settings_.address.scheme == "https") {
        LS_CHECK(look_at_tls());
    } else if (is_this_machine(settings_.address.host)) {
        say("tls", Health::ok, "none, which clients accept of this machine");
    } else {
        say("tls", Health::fail, "the address is plain http",
            "docker wants https, or the host in insecure-registries of "
            "/etc/docker/daemon.json on every machine");
    }
    if (look_at_api()) {
        look_at_upload();
        look_at_blob();
    }
    return std::move(findings_);
}

Result<void> Doctor::look_at_tls() {
    const auto& address = settings_.address;
    auto report = check_tls(address.host, address.port, settings_.roots);
    if (report) {
        look_at_report(*report);
        return {};
    }
    trusted_ = false;
    if (report.error().code == Code::invalid_argument) {
        return report.error();
    }
    say("tls", Health::fail, report.error().message,
        "is it the right port, and does it speak TLS 1.2 or later?");
    return {};
}

void Doctor::look_at_report(const TlsReport& report) {
    trusted_ = report.trusted();
    say("tls", Health::ok,
        report.version + ", " + std::to_string(report.sent) +
            " certificates sent");
    if (report.chain_error.empty()) {
        say("chain", Health::ok, "leads to a root that is known here");
    } else if (report.self_signed) {
        say("chain", Health::fail, "the certificate is self-signed",
            "give it to every client, for docker as "
            "/etc/docker/certs.d/HOST:PORT/ca.crt");
    } else if (report.issuer_missing) {
        say("chain", Health::fail,
            "the issuer \"" + report.issuer +
                "\" is neither sent nor a root that is known here",
            "an intermediate: put its certificate after the server's in "
            "ssl_certificate; browsers fetch it, Go clients do not. A root "
            "of your own: give it to every client");
    } else {
        say("chain", Health::fail, report.chain_error,
            "renew or replace the certificate");
    }
    if (report.name_matches) {
        say("name", Health::ok, "the certificate is for this host");
    } else {
        say("name", Health::fail,
            "the certificate (" + report.subject + ") does not name " +
                settings_.address.host,
            "it has to be among the subject alternative names; the common "
            "name does not count");
    }
    auto days = (report.ends_at_ms - unix_ms()) / kDayMs;
    auto ends = "ends " + time_text(report.ends_at_ms, "at a time unknown");
    if (report.ends_at_ms <= unix_ms()) {
        say("expiry", Health::fail, ends, "renew it, and reload nginx");
    } else if (days < kSoonDays) {
        say("expiry", Health::warn,
            ends + ", in " + std::to_string(days) + " days",
            "renew it, and reload nginx");
    } else {
        say("expiry", Health::ok, ends);
    }
    if (report.protocol == "h2") {
        say("http2", Health::ok, "offered");
    } else {
        say("http2", Health::warn,
            "not offered; every layer takes its own "
            "connection",
            "listen … ssl http2; in nginx's server block");
    }
}

Result<WebAnswer> Doctor::ask(const std::string& method,
                              const std::string& path, const char* actions,
                              std::string_view body, const std::string& range) {
    WebRequest request;
    request.method = method;
    request.url =
        path.starts_with('/') ? settings_.address.text() + path : path;
    request.authorization = actions == nullptr ? "" : authorization(actions);
    request.range = range;
    request.accept = kManifests;
    request.body = body;
    return ask_web({settings_.roots, trusted_}, request);
}

bool Doctor::look_at_api() {
    auto answer = ask("GET", "/v2/", nullptr);
    if (!answer) {
        say("api", Health::fail, answer.error().message,
            "is nginx running, and reachable from here?");
        return false;
    }
    if (answer->status != 200 && answer->status != 401) {
        say("api", Health::fail, "GET /v2/: " + status_text(*answer),
            answer->status / 100 == 3
                ? "clients want the answer here, not a redirect to " +
                      answer->header("location")
                : "/v2/ has to reach the registry, at the root of the host");
        return false;
    }
    say("api", Health::ok, "GET /v2/: " + status_text(*answer));
    look_at_clock(*answer);
    look_at_realm(*answer);
    return true;
}

void Doctor::look_at_clock(const WebAnswer& answer) {
    std::tm parts{};
    auto date = answer.header("date");
    if (::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) ==
        nullptr) {
        say("clock", Health::unchecked, "the answer has no Date");
        return;
    }
    auto skew = std::llabs(static_cast<std::int64_t>(::timegm(&parts)) -
                           unix_ms() / 1000);
    auto health = skew > kSkewFail   ? Health::fail
                  : skew > kSkewWarn ? Health::warn
                                     : Health::ok;
    say("clock", health, std::to_string(skew) + " s apart",
        health == Health::ok ? ""
                             : "tokens begin and end by the clock: run "
                               "NTP on both machines");
}

void Doctor::look_at_realm(const WebAnswer& answer) {
    auto challenge = answer.header("www-authenticate");
    if (answer.status == 200) {
        say("realm", Health::ok, "no login is asked for /v2/");
        return;
    }
    if (!challenge.starts_with("Bearer ")) {
        bool basic = challenge.starts_with("Basic ");
        say("realm", basic ? Health::ok : Health::fail,
            basic ? "login by Basic" : "401 without a challenge",
            basic ? "" : "a proxy must pass WWW-Authenticate on");
        return;
    }
    realm_ = parameter(challenge, "realm");
    service_ = parameter(challenge, "service");
    auto realm = parse_address(realm_);
    const auto& own = settings_.address;
    if (!realm || realm->scheme != own.scheme) {
        say("realm", Health::fail,
            "the token realm \"" + realm_ + "\" is not " + own.scheme,
            kForwarded);
        realm_.clear();  // no credential goes there
    } else if (realm->host != own.host || realm->port != own.port) {
        say("realm", Health::warn, "tokens are had from " + realm->text(),
            std::string("if that is not meant: ") + kForwarded);
        realm_.clear();
    } else {
        say("realm", Health::ok, realm_);
    }
    if (realm_.empty()) {
        return;
    }
    bool had = !token("pull").empty();
    bool given = password_ != nullptr && trusted_;
    if (had) {
        say("token", Health::ok, given ? "login is accepted" : "anonymous");
    } else if (given) {
        say("token", Health::fail, "no token for " + settings_.user,
            "wrong name or password, or the token service is not reached "
            "at the realm");
    } else {
        say("token", Health::unchecked, "none without a credential",
            "--user NAME --password-stdin");
    }
}

// Asks the token service; "" if it gives none.
std::string Doctor::token(const char* actions) {
    WebRequest request;
    request.url = realm_ + (realm_.find('?') == std::string::npos ? "?" : "&") +
                  "service=" + service_;
    if (!settings_.repository.empty()) {
        request.url +=
            "&scope=repository:" + settings_.repository + ":" + actions;
    }
    if (password_ != nullptr && trusted_) {
        auto both = settings_.user + ":" + std::string(password_->view());
        request.authorization = "Basic " + base64(both);
        OPENSSL_cleanse(both.data(), both.size());
    }
    auto answer = ask_web({settings_.roots, trusted_}, request);
    OPENSSL_cleanse(request.authorization.data(), request.authorization.size());
    if (!answer || answer->status != 200) {
        return "";
    }
    auto made = member(answer->body, "token");
    return made.empty() ? member(answer->body, "access_token") : made;
}

// A bearer token if there is a token service, else the credential itself;
// never to a server that could be anybody.
std::string Doctor::authorization(const char* actions) {
    if (!realm_.empty()) {
        auto made = token(actions);
        return made.empty() ? "" : "Bearer " + made;
    }
    if (password_ == nullptr || !trusted_) {
        return "";
    }
    return "Basic " +
           base64(settings_.user + ":" + std::string(password_->view()));
}

void Doctor::look_at_upload() {
    const auto& name = settings_.repository;
    if (name.empty() || password_ == nullptr || !trusted_) {
        say("upload", Health::unchecked,
            trusted_ ? "needs a repository and a credential"
                     : "no credential goes to a server that is not trusted",
            trusted_ ? "--repository NAME --user NAME --password-stdin" : "");
        return;
    }
    auto begun = ask("POST", "/v2/" + name + "/blobs/uploads/", "pull,push");
    if (!begun || begun->status != 202) {
        say("upload", Health::fail,
            begun ? "POST: " + status_text(*begun) : begun.error().message,
            "registryctl can " + settings_.user + " push " + name);
        return;
    }
    auto location = begun->header("location");
    look_at_location(location);
    const std::string bytes(kUpload, '\0');
    auto path = location;
    if (auto at = path.find("/v2/"); at != std::string::npos) {
        path = path.substr(at);  // our own address, whatever it says
    }
    auto sent = ask("PATCH", path, "pull,push", bytes);
    if (sent && sent->status == 202) {
        say("upload", Health::ok, "4 MiB in one request");
    } else if (sent && sent->status == 413) {
        say("upload", Health::fail, "4 MiB are too large: status 413",
            "a proxy in front limits bodies: client_max_body_size 0; "
            "proxy_request_buffering off; or its like");
    } else {
        say("upload", Health::fail,
            sent ? "PATCH: " + status_text(*sent) : sent.error().message,
            "look for limits and timeouts of a proxy in front");
    }
    auto ended = ask("DELETE", path, "pull,push");
    if (!ended || ended->status / 100 != 2) {
        say("upload", Health::warn, "the upload session could not be ended",
            "registryd removes it when it is old");
    }
}

void Doctor::look_at_location(const std::string& location) {
    if (location.starts_with('/')) {
        say("location", Health::ok, "relative");
        return;
    }
    auto where = parse_address(location);
    bool same = where && where->text() == settings_.address.text();
    say("location", same ? Health::ok : Health::fail,
        same ? "this host" : "uploads are sent to \"" + location + "\"",
        same ? "" : kForwarded);
}

void Doctor::look_at_blob() {
    const auto& name = settings_.repository;
    auto base = "/v2/" + name;
    if (name.empty()) {
        say("blob", Health::unchecked, "needs a repository",
            "--repository NAME");
        return;
    }
    auto tags = ask("GET", base + "/tags/list?n=1", "pull");
    auto list = tags ? Json::parse(tags->body, nullptr, false) : Json();
    if (!list.is_object() || !list.contains("tags") ||
        !list["tags"].is_array() || list["tags"].empty() ||
        !list["tags"][0].is_string()) {
        say("blob", Health::unchecked,
            tags ? "no tag could be read: " + status_text(*tags)
                 : tags.error().message);
        return;
    }
    auto reference = list["tags"][0].get<std::string>();
    std::string digest;
    for (int depth = 0; depth < 2 && digest.empty(); ++depth) {
        auto path = base + "/manifests/";
        path += reference;
        auto manifest = ask("GET", path, "pull");
        auto body =
            manifest ? Json::parse(manifest->body, nullptr, false) : Json();
        digest = first_digest(body, "config");
        reference = first_digest(body, "manifests");
    }
    if (digest.empty()) {
        say("blob", Health::unchecked, "no image could be read");
        return;
    }
    auto path = base + "/blobs/" + digest;
    auto head = ask("HEAD", path, "pull");
    bool sized =
        head && head->status == 200 && !head->header("content-length").empty();
    say("head", sized ? Health::ok : Health::fail,
        sized  ? "HEAD of a blob tells its length"
        : head ? "HEAD of a blob: " + status_text(*head) + ", length \"" +
                     head->header("content-length") + "\""
               : head.error().message,
        sized ? "" : "a proxy in front must not compress or turn HEAD to GET");
    auto part = ask("GET", path, "pull", {}, "0-0");
    bool ranged = part && part->status == 206 && part->body.size() == 1;
    say("range", ranged ? Health::ok : Health::warn,
        ranged ? "a part of a blob can be had"
        : part ? "Range is not heard: " + status_text(*part)
               : part.error().message,
        ranged ? ""
               : "a pull that broke off begins anew; a proxy in front "
                 "must pass Range on and not compress");
}

}  // namespace longshore
