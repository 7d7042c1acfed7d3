#include "api/body.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace longshore::api {
namespace {

bool is_plain(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

// Builds the document while it is read, and stops at the first thing that may
// not be: no part of a hostile document is kept twice.
class Builder final : public nlohmann::json_sax<Json> {
public:
    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override {
        return value <= INT64_MAX ? add(static_cast<number_integer_t>(value))
                                  : fail("a number is too large");
    }
    bool number_float(number_float_t, const string_t&) override {
        return fail("a number is no integer");
    }
    bool string(string_t& value) override {
        return is_plain(value) ? add(std::move(value))
                               : fail("a text has a control character");
    }
    bool binary(binary_t&) override { return fail("that is no JSON"); }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (!is_plain(name)) {
            return fail("a name has a control character");
        }
        if (open_.back()->contains(name)) {
            return fail("a member is there twice");
        }
        name_ = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception&) override {
        return fail("it is no JSON in UTF-8");
    }

    const char* problem() const noexcept { return problem_; }
    Json take() { return std::move(root_); }

private:
    bool fail(const char* problem) {
        problem_ = problem_ == nullptr ? problem : problem_;
        return false;
    }
    Json* place(Json value) {
        if (++values_ > kMaxValues) {
            fail("it has too many values");
            return nullptr;
        }
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        auto& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        return &(parent[name_] = std::move(value));
    }
    bool add(Json value) {
        return !open_.empty() ? place(std::move(value)) != nullptr
                              : fail("it is no object");
    }
    bool open(Json value) {
        if (open_.size() == kMaxDepth) {
            return fail("it is too deep");
        }
        if (open_.empty() && !value.is_object()) {
            return fail("it is no object");
        }
        auto* placed = place(std::move(value));
        if (placed != nullptr) {
            open_.push_back(placed);
        }
        return placed != nullptr;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    Json root_;
    // Into root_: a parent gets no new member while one of it is open.
    std::vector<Json*> open_;
    std::string name_;
    std::size_t values_ = 0;
    const char* problem_ = nullptr;
};

}  // namespace

Result<Json> parse_body(std::string_view text) {
    if (text.size() > kMaxBody) {
        return Error{Code::too_large, "the document is too large"};
    }
    Builder builder;
    bool read = !text.starts_with("\xEF\xBB\xBF") &&
                Json::sax_parse(text.begin(), text.end(), &builder);
    if (!read) {
        const auto* why = builder.problem();
        return Error{Code::invalid_argument,
                     "the body was not understood: " +
                         std::string(why != nullptr ? why
                                                    : "it has a mark of "
                                                      "byte order"),
                     kMalformed};
    }
    return builder.take();
}

}  // namespace longshore::api
