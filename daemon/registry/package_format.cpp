#include "registry/package_format.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "common/oci_error.hpp"
#include "common/package_error.hpp"
#include "common/protocol.hpp"
#include "http/date.hpp"

namespace longshore {
namespace {

void add_method(std::string& allow, Method method) {
    auto name = method_name(method);
    if (allow.find(name) == std::string::npos) {
        allow += allow.empty() ? "" : ", ";
        allow += name;
        allow += method == Method::get ? ", HEAD" : "";
    }
}

}  // namespace

const Format* find_format(std::span<const Format* const> formats,
                          std::string_view key) noexcept {
    for (const auto* format : formats) {
        if (format->info().key == key) {
            return format;
        }
    }
    return nullptr;
}

const FormatInfo& info_of(const Format& format) noexcept {
    return format.info();
}

Match PackageFormat::match(Method method, std::string_view target,
                           std::span<char>) const {
    Match match;
    auto path = parse_package_path(target);
    if (!path) {
        match.error = Error{Code::not_found, "no such path in this registry"};
        return match;
    }
    match.name = path->repository;
    match.query = path->query;
    match.reference = path->rest;
    auto segments = decode_segments(path->rest);
    if (!segments) {
        match.error = Error{Code::invalid_argument,
                            "the path holds a forbidden escape or segment"};
        return match;
    }
    match.ends_in_slash = segments->ends_in_slash;
    auto wanted = method == Method::head ? Method::get : method;
    for (const auto& route : routes()) {
        auto parameters = match_pattern(route.pattern, *segments);
        if (!parameters) {
            continue;
        }
        if (route.method == wanted) {
            match.route = &route;
            match.parameters = std::move(*parameters);
            return match;
        }
        add_method(match.allow, route.method);
    }
    match.error =
        match.allow.empty()
            ? Error{Code::not_found, "no such path in this registry"}
            : Error{Code::unsupported, "the method is not allowed here"};
    return match;
}

Reply PackageFormat::render(const Error& error) const {
    Reply reply;
    reply.status = http_status(error.code);
    reply.media_type = "application/json";
    reply.error =
        error.reason.empty() ? oci_code_for_status(reply.status) : error.reason;
    if (error.code == Code::unavailable || error.code == Code::rate_limited) {
        reply.header("Retry-After", "5");
    }
    // The text of what went wrong inside is for our log, not for the world.
    bool inside = error.code == Code::internal || error.code == Code::corrupt ||
                  (error.code == Code::unavailable && error.reason.empty());
    reply.body = InlineBody{package_error_body(
        reply.error, inside ? oci_message_for_status(reply.status)
                            : std::string_view(error.message))};
    return reply;
}

Reply file_reply(const Context& ctx, const FileEntry& entry) {
    const auto& file = entry.file;
    Reply reply;
    reply.media_type = file.media_type;
    reply.body = BlobBody{file.digest, file.size_bytes};
    reply.header("Last-Modified", http_date(file.created_at_ms / 1000));
    reply.reference = file.path;
    reply.counted = true;
    reply.ttl_ms = ctx.settings.cache_ttl_ms;
    reply.keys.push_back(key::package(ctx.repository->key, entry.package_key));
    return reply;
}

Reply json_document(const Context& ctx, std::string body,
                    std::string_view package_key) {
    Reply reply;
    reply.media_type = "application/json";
    reply.body = InlineBody{std::move(body)};
    if (!package_key.empty()) {
        reply.ttl_ms = ctx.settings.cache_ttl_ms;
        reply.keys.push_back(key::package(ctx.repository->key, package_key));
    }
    return reply;
}

Reply written_reply(int status, Written written, std::string body,
                    std::string_view media_type) {
    Reply reply;
    reply.status = status;
    reply.drops = std::move(written.drops);
    if (!body.empty()) {
        reply.media_type = media_type;
        reply.body = InlineBody{std::move(body)};
    }
    return reply;
}

std::size_t count_argument(const Request& request, std::string_view name,
                           std::size_t otherwise, std::size_t most) {
    auto text = request.argument(name).value_or("");
    std::size_t number = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number);
    bool good = error == std::errc() && end == text.data() + text.size();
    return std::min(good ? number : otherwise, most);
}

bool setting(const Repository& repository, std::string_view name,
             bool otherwise) {
    auto settings = nlohmann::json::parse(repository.settings, nullptr, false);
    if (!settings.is_object()) {
        return otherwise;
    }
    auto found = settings.find(std::string(name));
    return found != settings.end() && found->is_boolean() ? found->get<bool>()
                                                          : otherwise;
}

}  // namespace longshore
