#include "auth/strict_json.hpp"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace longshore {
namespace {

using Json = nlohmann::json;

// First pass, before a tree is built.
class Bounds : public nlohmann::json_sax<Json> {
public:
    explicit Bounds(const JsonBounds& bounds) : bounds_(bounds) {}

    bool null() override { return count(); }
    bool boolean(bool) override { return count(); }
    bool number_integer(std::int64_t) override { return count(); }
    bool number_unsigned(std::uint64_t) override { return count(); }
    bool number_float(double, const std::string&) override { return count(); }
    bool string(std::string&) override { return count(); }
    bool binary(Json::binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }
    bool key(std::string& name) override {
        if (!names_.back().insert(name).second) {
            problem_ = "the same member twice in one object";
            return false;
        }
        return count();
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception&) override {
        problem_ = "not JSON";
        return false;
    }

    const std::string& problem() const { return problem_; }

private:
    bool count() {
        if (++values_ > bounds_.values) {
            problem_ = "too many values";
            return false;
        }
        return true;
    }
    bool open() {
        if (names_.size() >= bounds_.depth) {
            problem_ = "nested too deeply";
            return false;
        }
        names_.emplace_back();
        return count();
    }
    bool close() {
        names_.pop_back();
        return true;
    }

    const JsonBounds& bounds_;
    std::vector<std::set<std::string>> names_;
    std::size_t values_ = 0;
    std::string problem_;
};

}  // namespace

Result<Json> parse_object(std::string_view text, const JsonBounds& bounds) {
    if (text.size() > bounds.bytes) {
        return Error{Code::too_large,
                     "longer than " + std::to_string(bounds.bytes) + " bytes"};
    }
    Bounds reader(bounds);
    if (!Json::sax_parse(text, &reader)) {
        return Error{Code::invalid_argument, reader.problem()};
    }
    auto parsed = Json::parse(text, nullptr, false);
    if (!parsed.is_object()) {
        return Error{Code::invalid_argument, "not a JSON object"};
    }
    return parsed;
}

std::optional<std::string> text_member(const Json& object, const char* name) {
    auto found = object.find(name);
    if (found == object.end() || !found->is_string()) {
        return std::nullopt;
    }
    return found->get<std::string>();
}

}  // namespace longshore
