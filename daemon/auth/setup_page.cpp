#include "auth/setup_page.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "auth/scope.hpp"
#include "auth/token_service.hpp"
#include "common/clock.hpp"
#include "common/encoding.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxForm = 16 * 1024;
constexpr std::size_t kMaxKey = 128;
constexpr std::int64_t kTryMs = 60'000;
constexpr unsigned kTries = 10;  // of one address, in kTryMs
constexpr std::size_t kMaxAddresses = 4096;

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0}"
    "main{max-width:34rem;margin:0 auto;padding:2rem 1rem}"
    "label{display:block;font-weight:600;margin-top:1rem}"
    "input,button{font:inherit;padding:.5rem;box-sizing:border-box}"
    "input{width:100%}button{margin-top:1.5rem}"
    "pre{overflow:auto;padding:1rem;border:1px solid}"
    ".problem{border-left:.3rem solid #c00;padding-left:.7rem}";

// Takes the key out of the address, where a history would keep it.
constexpr std::string_view kScript =
    "(function(){var k=location.hash.slice(1),f=document.getElementById("
    "'key');if(k&&f){f.value=k;history.replaceState(null,'',"
    "location.pathname);document.getElementById('name').focus()}})()";

constexpr std::string_view kNoKey =
    "This key is not good: it was never one, was used, or is older than a "
    "day. A new one is made on the registry's machine by: registryctl setup "
    "--link";

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out +=
                    static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
        }
    }
    return out;
}

// As Content-Security-Policy names an element by what is in it.
std::string source_hash(std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           digest.data());
    auto encoded = base64url_encode(
        {reinterpret_cast<const char*>(digest.data()), digest.size()});
    std::replace(encoded.begin(), encoded.end(), '-', '+');
    std::replace(encoded.begin(), encoded.end(), '_', '/');
    return "'sha256-" + encoded + "='";
}

const std::string& content_policy() {
    static const std::string kPolicy =
        "default-src 'none'; style-src " + source_hash(kStyle) +
        "; script-src " + source_hash(kScript) +
        "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    return kPolicy;
}

std::string_view header_of(const Question& question, std::string_view name) {
    for (const auto& header : question.headers) {
        if (header.name == name) {
            return header.value;
        }
    }
    return {};
}

// host:port of a URL.
std::string_view authority_of(std::string_view url) {
    auto begin = url.find("://");
    if (begin == url.npos) {
        return {};
    }
    url.remove_prefix(begin + 3);
    return url.substr(0, url.find('/'));
}

bool is_form(std::string_view content_type) {
    constexpr std::string_view kForm = "application/x-www-form-urlencoded";
    auto type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ')) {
        type.remove_suffix(1);
    }
    return type.size() == kForm.size() &&
           std::equal(
               type.begin(), type.end(), kForm.begin(), [](char a, char b) {
                   return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
               });
}

std::string document(std::string_view title, std::string_view content) {
    std::string out =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>";
    out.append(title).append("</title>\n<style>").append(kStyle);
    out.append("</style>\n</head>\n<body>\n<main>\n<h1>").append(title);
    out.append("</h1>\n").append(content);
    out.append("</main>\n</body>\n</html>\n");
    return out;
}

std::string paragraph(std::string_view text) {
    return "<p>" + escape(text) + "</p>\n";
}

std::string field(std::string_view label, std::string_view name,
                  std::string_view attributes, std::string_view value) {
    std::string out = "<label for=\"";
    out.append(name).append("\">").append(label);
    out.append("</label>\n<input id=\"").append(name);
    out.append("\" name=\"").append(name).append("\" required ");
    out.append(attributes);
    if (!value.empty()) {
        out.append(" value=\"").append(escape(value)).append("\"");
    }
    return out + ">\n";
}

}  // namespace

// Wiped when it goes.
struct SetupPage::Form {
    std::string key;
    std::string name;
    std::string password;
    std::string again;

    Form() = default;
    Form(Form&&) = default;
    Form(const Form&) = delete;
    Form& operator=(Form&&) = delete;
    Form& operator=(const Form&) = delete;
    ~Form() {
        for (auto* text : {&key, &password, &again}) {
            OPENSSL_cleanse(text->data(), text->size());
        }
    }

    // Each field once; anything else that is sent is no form of this page.
    static std::optional<Form> parse(std::string_view text) {
        auto pairs = parse_form(text);
        if (!pairs || pairs->size() != 4) {
            return std::nullopt;
        }
        Form form;
        const std::array<std::pair<std::string_view, std::string*>, 4> fields{
            {{"key", &form.key},
             {"name", &form.name},
             {"password", &form.password},
             {"again", &form.again}}};
        for (const auto& field : fields) {
            auto found = std::find_if(
                pairs->begin(), pairs->end(),
                [&](const auto& pair) { return pair.first == field.first; });
            if (found == pairs->end()) {
                return std::nullopt;
            }
            *field.second = std::move(found->second);
        }
        while (form.key.ends_with(' ')) {
            form.key.pop_back();
        }
        // Of a link that was pasted whole.
        form.key.erase(0, form.key.rfind('#') + 1);
        return form;
    }
};

struct SetupPage::Page {
    int status = 200;
    std::string title;
    std::string content;

    static Page gone() {
        return {410, "The registry is set up",
                paragraph("There is an administrator, so nobody can become "
                          "one here any more.") +
                    paragraph("Whoever lost the password sets another one on "
                              "the registry's machine: registryctl user "
                              "password NAME")};
    }

    static Page refused(int status, std::string_view why) {
        return {status, "That cannot be", paragraph(why)};
    }

    static Page form(int status, std::string_view problem, const Form& known) {
        Page page{status, "Set up the registry", ""};
        auto& out = page.content;
        if (!problem.empty()) {
            out += "<p class=\"problem\" id=\"problem\" role=\"alert\">" +
                   escape(problem) + "</p>\n";
        }
        out += paragraph(
            "There is no administrator yet. This makes the first one, who "
            "may do everything.");
        out += "<form method=\"post\" action=\"setup\">\n";
        out += field("Key", "key",
                     "type=\"text\" autocomplete=\"off\" spellcheck=\"false\" "
                     "autocapitalize=\"none\" aria-describedby=\"help\"",
                     known.key);
        out +=
            "<p id=\"help\">What stands behind the # of the link that "
            "<code>registryctl setup --link</code> printed.</p>\n";
        out += field("Name", "name",
                     "type=\"text\" autocomplete=\"username\" "
                     "spellcheck=\"false\" autocapitalize=\"none\" "
                     "maxlength=\"128\"",
                     known.name);
        out += field("Password, at least 12 characters", "password",
                     "type=\"password\" autocomplete=\"new-password\"", "");
        out += field("The same password again", "again",
                     "type=\"password\" autocomplete=\"new-password\"", "");
        out += "<button>Make the administrator</button>\n</form>\n<script>";
        out.append(kScript).append("</script>\n");
        return page;
    }

    static Page done(const std::string& name, const std::string& host) {
        auto image = host + "/hello:1";
        return {200, "The registry is set up",
                paragraph(name + " is the administrator. The link is of no "
                                 "more use. Next, log in and push:") +
                    "<pre>" +
                    escape("docker login -u " + name + " " + host +
                           "\ndocker tag IMAGE " + image + "\ndocker push " +
                           image) +
                    "</pre>\n" +
                    paragraph("Everybody may pull what is made public, others "
                              "may push what is granted to them:") +
                    "<pre>" +
                    escape("registryctl visibility set hello public\n"
                           "registryctl user add alice\n"
                           "registryctl grant add alice 'team/**' pull,push") +
                    "</pre>\n"};
    }
};

// What clients call the registry.
std::string SetupPage::address(const Question& question) const {
    auto known = authority_of(public_url_);
    if (!known.empty()) {
        return std::string(known);
    }
    bool good = base_url(question.scheme, question.host, "").has_value();
    return good ? std::string(question.host) : "REGISTRY";
}

// A browser says of a form where it comes from; what says nothing is none.
// The scheme is that of the last proxy, so it is not compared.
bool SetupPage::is_same_site(const Question& question) const {
    auto site = header_of(question, "sec-fetch-site");
    if (!site.empty()) {
        return site == "same-origin";
    }
    auto origin = header_of(question, "origin");
    if (origin.empty()) {
        return true;
    }
    auto from = authority_of(origin);
    return !from.empty() &&
           (from == question.host || from == authority_of(public_url_));
}

// The key cannot be guessed; this keeps those who try from keeping us busy.
bool SetupPage::may_try(std::string_view peer, std::int64_t now_ms) {
    std::lock_guard guard(mutex_);
    auto is_over = [&](const Tries& tries) {
        return now_ms - tries.begun_ms >= kTryMs || now_ms < tries.begun_ms;
    };
    if (tries_.size() >= kMaxAddresses) {
        std::erase_if(tries_,
                      [&](const auto& each) { return is_over(each.second); });
    }
    std::string address(peer);
    if (tries_.size() >= kMaxAddresses && !tries_.contains(address)) {
        return false;
    }
    auto& tries = tries_[address];
    if (is_over(tries)) {
        tries = {now_ms, 0};
    }
    return ++tries.count <= kTries;
}

// Whoever the administrator is, what was issued before him is void.
Result<std::string> SetupPage::look() {
    LS_CHECK(first_run_.tidy());
    return first_run_.administrator();
}

SetupPage::Page SetupPage::show() {
    auto known = look();
    if (!known) {
        return Page::refused(503, "The registry cannot be set up just now.");
    }
    return known->empty() ? Page::form(200, "", Form()) : Page::gone();
}

SetupPage::Page SetupPage::make(const Question& question, SetupAnswer& answer) {
    auto known = look();
    if (!known) {
        return Page::refused(503, "The registry cannot be set up just now.");
    }
    if (!known->empty()) {
        return Page::gone();
    }
    if (!is_same_site(question)) {
        return Page::refused(403, "The form was not sent by this page.");
    }
    if (!is_form(header_of(question, "content-type"))) {
        return Page::refused(415, "This takes a form and nothing else.");
    }
    if (question.type != QuestionType::received) {
        if (question.body_bytes > static_cast<std::int64_t>(kMaxForm)) {
            return Page::refused(413, "The form is too long.");
        }
        answer.reply.body = ReceiveMemory{kMaxForm};
        return {};
    }
    if (!may_try(question.peer, unix_ms())) {
        answer.reply.header("Retry-After", "60");
        return Page::refused(429, "Too many tries; again in a minute.");
    }
    auto form = question.body_kind == BodyKind::memory
                    ? Form::parse(question.body)
                    : std::nullopt;
    return form ? take(question, *form, answer)
                : Page::refused(400, "The form is not whole.");
}

// Without the key there is no word about anything else.
SetupPage::Page SetupPage::take(const Question& question, const Form& form,
                                SetupAnswer& answer) {
    auto right = form.key.size() <= kMaxKey
                     ? first_run_.is_key(form.key, unix_ms())
                     : Result<bool>(false);
    if (!right) {
        return Page::refused(503, "The registry cannot be set up just now.");
    }
    if (!*right) {
        answer.wrong_key = true;
        return Page::form(403, kNoKey, Form());
    }
    if (form.password != form.again) {
        return Page::form(400, "The two passwords differ.", form);
    }
    Actor by;
    by.credential = "setup_link";
    by.peer = question.peer;
    by.request_id = question.request_id;
    auto done = first_run_.make_administrator(form.name, form.password, by);
    if (done) {
        answer.made = form.name;
        return Page::done(form.name, address(question));
    }
    const auto& error = done.error();
    if (error.code == Code::already_exists) {
        return error.reason.empty()
                   ? Page::gone()
                   : Page::form(409, "This name is taken.", form);
    }
    if (error.code == Code::invalid_argument) {
        return Page::form(400, "Not so: " + error.message + ".", form);
    }
    return Page::refused(503, "The registry cannot be set up just now.");
}

SetupAnswer SetupPage::answer(const Question& question) {
    SetupAnswer answer;
    Page page;
    if (question.method == "GET" || question.method == "HEAD") {
        page = show();
    } else if (question.method == "POST") {
        page = make(question, answer);
    } else {
        page = Page::refused(405, "The method is not allowed here.");
        answer.reply.header("Allow", "GET, HEAD, POST");
    }
    auto& reply = answer.reply;
    if (std::holds_alternative<ReceiveMemory>(reply.body)) {
        return answer;
    }
    reply.status = page.status;
    reply.media_type = "text/html; charset=utf-8";
    reply.error = page.status < 400 ? "" : "SETUP";
    reply.body = InlineBody{document(page.title, page.content)};
    reply.header("Cache-Control", "no-store")
        .header("Content-Security-Policy", content_policy())
        // With no-referrer a browser would not say where the form is from.
        .header("Referrer-Policy", "same-origin")
        .header("X-Content-Type-Options", "nosniff")
        .header("X-Frame-Options", "DENY");
    return answer;
}

}  // namespace longshore
