#include "server/log.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <memory>

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "common/oci_error.hpp"
#include "common/redact.hpp"

namespace longshore {
namespace {

// Our lines are the inside of a JSON object and start with this byte, which
// no text does; everything else is a message of a library or another folder.
constexpr char kFieldsMark = '\x01';

std::string timestamp(spdlog::log_clock::time_point time) {
    auto since = time.time_since_epoch();
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(since - seconds);
    std::time_t clock = seconds.count();
    std::tm utc{};
    gmtime_r(&clock, &utc);
    std::array<char, 32> text{};
    auto size = std::strftime(text.data(), text.size(), "%FT%T", &utc);
    auto fraction = std::to_string(1000 + millis.count());
    return std::string(text.data(), size) + "." + fraction.substr(1) + "Z";
}

class JsonFormatter final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message,
                spdlog::memory_buf_t& out) override {
        auto level = spdlog::level::to_string_view(message.level);
        std::string line = R"({"time":")" + timestamp(message.time) +
                           R"(","level":")" +
                           std::string(level.data(), level.size()) + "\",";
        std::string_view payload(message.payload.data(),
                                 message.payload.size());
        if (payload.starts_with(kFieldsMark)) {
            line += redact(payload.substr(1));
        } else {
            line +=
                R"("event":"message","text":)" + json_quote(redact(payload));
        }
        line += "}\n";
        out.append(line.data(), line.data() + line.size());
    }

    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<JsonFormatter>();
    }
};

void write(spdlog::level::level_enum level, const std::string& fields) {
    spdlog::default_logger_raw()->log(level, spdlog::string_view_t(fields));
}

}  // namespace

Result<void> start_log(std::string_view level) {
    struct Row {
        std::string_view name;
        spdlog::level::level_enum level;
    };
    static constexpr std::array kLevels = {
        Row{"debug", spdlog::level::debug}, Row{"info", spdlog::level::info},
        Row{"warning", spdlog::level::warn}, Row{"error", spdlog::level::err}};
    for (const auto& row : kLevels) {
        if (row.name != level) {
            continue;
        }
        // The default logger is shared by design of the library.
        auto logger = std::make_shared<spdlog::logger>(
            "registryd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        logger->set_formatter(std::make_unique<JsonFormatter>());
        logger->set_level(row.level);
        spdlog::set_default_logger(std::move(logger));
        return {};
    }
    return Error{Code::invalid_argument,
                 "log level is none of debug, info, warning, error"};
}

LogLine::LogLine(std::string_view event) {
    fields_ += kFieldsMark;
    fields_ += R"("event":)" + json_quote(event);
}

LogLine& LogLine::text(std::string_view name, std::string_view value) {
    if (!value.empty()) {
        fields_ += ",\"";
        fields_ += name;
        fields_ += "\":";
        fields_ += json_quote(value);
    }
    return *this;
}

LogLine& LogLine::number(std::string_view name, std::int64_t value) {
    fields_ += ",\"";
    fields_ += name;
    fields_ += "\":";
    fields_ += std::to_string(value);
    return *this;
}

void LogLine::debug() const {
    write(spdlog::level::debug, fields_);
}

void LogLine::info() const {
    write(spdlog::level::info, fields_);
}

void LogLine::warning() const {
    write(spdlog::level::warn, fields_);
}

void LogLine::error() const {
    write(spdlog::level::err, fields_);
}

bool log_debug_enabled() {
    return spdlog::default_logger_raw()->should_log(spdlog::level::debug);
}

}  // namespace longshore
