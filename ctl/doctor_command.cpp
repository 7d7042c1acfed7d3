// registryctl doctor: the findings printed.
#include "common/oci_path.hpp"
#include "ctl/commands.hpp"
#include "ctl/doctor.hpp"

namespace longshore {
namespace {

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Json finding_json(const Finding& finding) {
    return {{"check", finding.check},
            {"health", health_name(finding.health)},
            {"found", clean(finding.found)},
            {"advice", clean(finding.advice)}};
}

}  // namespace

Result<int> run_doctor(Context& context) {
    const auto& args = context.args;
    DoctorSettings settings;
    LS_TRY(address, parse_address(args.url));
    settings.address = std::move(address);
    settings.user = args.name;
    settings.roots = args.roots;
    if (!args.repository.empty() && !is_repository_name(args.repository)) {
        return bad("\"" + args.repository + "\" is no name of a repository");
    }
    settings.repository = args.repository;
    if (args.name.empty() == args.password_stdin) {
        return bad("a credential is --user NAME with --password-stdin");
    }
    SecretText password;
    if (args.password_stdin) {
        LS_TRY(given, read_secret_from_stdin());
        password.append(given.view());
    }
    Doctor doctor(settings, args.password_stdin ? &password : nullptr);
    LS_TRY(findings, doctor.run());
    Json list = Json::array();
    Table table({"CHECK", "HEALTH", "FOUND"});
    bool failed = false;
    for (const auto& finding : findings) {
        failed = failed || finding.health == Health::fail;
        list.push_back(finding_json(finding));
        table.add({finding.check, health_name(finding.health), finding.found});
    }
    if (context.json()) {
        print_json({{"url", settings.address.text()},
                    {"healthy", !failed},
                    {"findings", list}});
        return failed ? kNo : kDone;
    }
    table.print();
    for (const auto& finding : findings) {
        if (!finding.advice.empty()) {
            print_line(finding.check + ": " + finding.advice);
        }
    }
    return failed ? kNo : kDone;
}

}  // namespace longshore
