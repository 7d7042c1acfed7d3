// registryctl doctor: what between a client and its registry breaks docker
// and other clients, found by being such a client. No database is needed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "ctl/secret_input.hpp"
#include "ctl/tls_check.hpp"
#include "ctl/web.hpp"

namespace longshore {

enum class Health : unsigned char { ok, warn, fail, unchecked };

struct Finding {
    std::string check;  // "chain", "realm", …
    Health health = Health::ok;
    std::string found;
    std::string advice;  // what to do; "" if ok
};

struct DoctorSettings {
    WebAddress address;
    std::string user;        // "": no credential
    std::string repository;  // "": none
    std::string roots;
};

class Doctor {
public:
    /// `password` may be null.
    Doctor(DoctorSettings settings, const SecretText* password)
        : settings_(std::move(settings)), password_(password) {}

    /// Every check, in order, also after one that failed.
    /// @errors invalid_argument (the file of roots)
    Result<std::vector<Finding>> run();

private:
    void say(const char* check, Health health, std::string found,
             std::string advice = {});
    /// @errors invalid_argument
    Result<void> look_at_tls();
    void look_at_report(const TlsReport& report);
    bool look_at_api();
    void look_at_clock(const WebAnswer& answer);
    void look_at_realm(const WebAnswer& answer);
    void look_at_upload();
    void look_at_location(const std::string& location);
    void look_at_blob();
    std::string authorization(const char* actions);
    std::string token(const char* actions);
    /// @errors of ask_web()
    Result<WebAnswer> ask(const std::string& method, const std::string& path,
                          const char* actions, std::string_view body = {},
                          const std::string& range = {});

    DoctorSettings settings_;
    const SecretText* password_;
    bool trusted_ = true;
    std::string realm_;
    std::string service_;
    std::vector<Finding> findings_;
};

/// "ok" "warn" "fail" "not checked"
const char* health_name(Health health) noexcept;

}  // namespace longshore
