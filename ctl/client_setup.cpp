// What a client needs to use a repository: printed, written between marks,
// shown as a difference, or taken out again. Needs no database.
#include <cstdio>
#include <cstdlib>

#include "common/oci_path.hpp"
#include "ctl/commands.hpp"
#include "ctl/marked_file.hpp"
#include "ctl/secret_input.hpp"
#include "registry/format_info.hpp"

namespace longshore {
namespace {

constexpr mode_t kPlainMode = 0644;
constexpr mode_t kSecretMode = 0600;

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

bool has(std::string_view text, std::string_view placeholder) {
    return text.find(placeholder) != std::string_view::npos;
}

// What stands for the placeholders.
struct Values {
    std::string url;
    std::string scheme;
    std::string address;
    std::string host;
    std::string name;
    std::string path;
    std::string repository;
    std::string user = "USER";
    std::string token = "TOKEN";
    std::string home;
};

std::string filled(std::string_view text, const Values& values) {
    const std::pair<std::string_view, const std::string*> all[] = {
        {"{url}", &values.url},         {"{scheme}", &values.scheme},
        {"{address}", &values.address}, {"{host}", &values.host},
        {"{name}", &values.name},       {"{path}", &values.path},
        {"{user}", &values.user},       {"{repository}", &values.repository},
        {"{token}", &values.token},     {"{home}", &values.home},
    };
    std::string out;
    while (!text.empty()) {
        std::size_t taken = 1;
        std::string_view put = text.substr(0, 1);
        for (const auto& [name, value] : all) {
            if (text.starts_with(name)) {
                put = *value;
                taken = name.size();
            }
        }
        out += put;
        text.remove_prefix(taken);
    }
    return out;
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        auto end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

// The same for whole lines, each but once in a row.
std::string filled_lines(std::string_view text, const Values& values) {
    std::string out;
    std::string last;
    for (const auto& pattern : lines_of(text)) {
        auto line = filled(pattern, values) + "\n";
        if (line != last) {
            out += line;
        }
        last = std::move(line);
    }
    return out;
}

// Read without becoming the owner of the data folder: what is written here
// belongs to whoever runs this.
Result<std::string> registry_url(const Context& context) {
    auto url = context.args.url;
    if (url.empty()) {
        url = context.public_url();
    }
    if (url.empty()) {
        url = "https://REGISTRY";
        const auto& args = context.args;
        if (!args.undo && (args.write || args.dry_run)) {
            return bad("--url is wanted: the address of the registry");
        }
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

std::string mount_of(const FormatInfo& info) {
    return info.mounts.empty() ? std::string(info.mount)
                               : "/" + std::string(info.mounts.front());
}

std::string home_of(const Context& context) {
    const char* home = std::getenv("HOME");
    return !context.args.home.empty() ? context.args.home
           : home != nullptr          ? home
                                      : "";
}

// Without its port, and without the brackets of an IPv6 address.
std::string name_of(std::string_view host) {
    if (host.starts_with('[')) {
        return std::string(host.substr(1, host.find(']') - 1));
    }
    return std::string(host.substr(0, host.find(':')));
}

Result<Values> values_of(const Context& context, const FormatInfo& info) {
    const auto& args = context.args;
    Values values;
    LS_TRY(url, registry_url(context));
    values.repository = args.repository;
    values.url = url + mount_of(info) + "/" + args.repository;
    auto scheme_end = values.url.find("://");
    values.scheme = values.url.substr(0, scheme_end);
    values.address = values.url.substr(scheme_end + 3);
    auto host_end = values.address.find('/');
    values.host = values.address.substr(0, host_end);
    values.path = values.address.substr(host_end);
    values.name = name_of(values.host);
    values.home = home_of(context);
    if (!args.user.empty()) {
        values.user = args.user;
    }
    return values;
}

Result<const Format*> format_of(const Context& context) {
    const auto& args = context.args;
    const auto* format = find_format(all_formats(), args.name);
    if (format == nullptr) {
        std::vector<std::string> keys;
        for (const auto* one : all_formats()) {
            keys.emplace_back(info_of(*one).key);
        }
        return bad("setup --repository wants a FORMAT: " + join(keys, ", "));
    }
    if (!is_repository_name(args.repository)) {
        return bad("\"" + args.repository + "\" is no name of a repository");
    }
    return format;
}

// One file of the format's, as it is and as it is to be.
struct Change {
    const SetupFile* file = nullptr;
    std::string path;
    std::string lines;
    FileState before;
    FileState after;
};

Marks marks_of(const Context& context, const SetupFile& file) {
    return {std::string(file.comment),
            context.args.name + " " + context.args.repository};
}

Error not_ours(const Change& change) {
    return Error{Code::precondition_failed,
                 change.path +
                     " is there already and was not made by this command for "
                     "this repository, or was changed since"};
}

// Whether a file that is ours alone was made for this repository, and not
// changed since.
bool made_here(const Context& context, const Change& change) {
    constexpr std::string_view kName = "{repository}";
    std::string pattern(change.file->text);
    for (std::size_t at = 0;
         (at = pattern.find(kName, at)) != std::string::npos;) {
        pattern.replace(at, kName.size(), context.args.repository);
    }
    return is_made_of(change.before.text, pattern);
}

// What a file may hold but once: a section, or a key of YAML; "" of other
// lines.
std::string_view heading_of(const std::string& path, std::string_view line) {
    while (line.ends_with(' ') || line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    if (line.starts_with('[') && line.ends_with(']')) {
        return line;
    }
    bool key = path.ends_with(".yml") && !line.empty() && line.front() != ' ' &&
               line.front() != '#';
    return key ? line.substr(0, line.find(':')) : std::string_view();
}

// A second heading of the same name would make the file one that its client
// cannot read, or the first one mean something else.
Result<void> check_headings(const Context& context, const Change& change) {
    auto rest = change.before;
    if (auto others =
            take_lines(change.before, marks_of(context, *change.file))) {
        rest = std::move(*others);
    }
    auto ours = lines_of(change.lines);
    for (const auto& line : lines_of(rest.text)) {
        auto heading = heading_of(change.path, line);
        for (const auto& one : ours) {
            if (!heading.empty() && heading_of(change.path, one) == heading) {
                return Error{Code::precondition_failed,
                             change.path + " has a \"" + std::string(heading) +
                                 "\" already: what this command prints "
                                 "without --write is to be joined with it"};
            }
        }
    }
    return {};
}

Result<void> plan_write(const Context& context, Change& change) {
    const auto& file = *change.file;
    auto& after = change.after;
    after = change.before;
    if (!file.comment.empty()) {
        LS_CHECK(check_headings(context, change));
        after.text =
            put_lines(change.before, marks_of(context, file), change.lines);
    } else if (change.before.there && !made_here(context, change)) {
        return not_ours(change);
    } else {
        after.text = change.lines;
    }
    after.there = true;
    after.mode = has(file.text, "{token}") ? kSecretMode
                 : change.before.there     ? change.before.mode
                                           : kPlainMode;
    return {};
}

Result<void> plan_undo(const Context& context, Change& change) {
    const auto& file = *change.file;
    change.after = change.before;
    if (!change.before.there) {
        return {};
    }
    if (!file.comment.empty()) {
        if (auto before = take_lines(change.before, marks_of(context, file))) {
            change.after = std::move(*before);
        }
        return {};
    }
    if (!made_here(context, change)) {
        return not_ours(change);
    }
    change.after = {};
    return {};
}

Result<std::vector<Change>> plan(const Context& context, const Format& format,
                                 const Values& values) {
    std::vector<Change> changes;
    for (const auto& file : info_of(format).setup) {
        if (file.path.empty()) {
            continue;
        }
        Change change;
        change.file = &file;
        change.path = filled(file.path, values);
        change.lines = filled_lines(file.text, values);
        LS_TRY(before, read_file_state(change.path));
        change.before = std::move(before);
        LS_CHECK(context.args.undo ? plan_undo(context, change)
                                   : plan_write(context, change));
        changes.push_back(std::move(change));
    }
    return changes;
}

// A token that the file has is not shown: such a line is printed as the format
// has it.
std::string shown(const std::string& line, const SetupFile& file) {
    for (const auto& pattern : lines_of(file.text)) {
        if (has(pattern, "{token}") && is_made_of(line, pattern)) {
            return pattern;
        }
    }
    return line;
}

// What is between the common beginning and the common end.
void print_difference(const Change& change) {
    auto before = lines_of(change.before.text);
    auto after = lines_of(change.after.text);
    if (before == after && change.before.there == change.after.there) {
        return;
    }
    std::size_t head = 0;
    while (head < std::min(before.size(), after.size()) &&
           before[head] == after[head]) {
        ++head;
    }
    std::size_t tail = 0;
    while (tail < std::min(before.size(), after.size()) - head &&
           before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
        ++tail;
    }
    print_line("--- " + (change.before.there ? change.path : "/dev/null"));
    print_line("+++ " + (change.after.there ? change.path : "/dev/null"));
    print_line("@@ line " + std::to_string(head + 1) + " @@");
    for (std::size_t i = head; i < before.size() - tail; ++i) {
        print_line("-" + shown(before[i], *change.file));
    }
    for (std::size_t i = head; i < after.size() - tail; ++i) {
        print_line("+" + shown(after[i], *change.file));
    }
}

void print_text(const std::string& text) {
    for (const auto& line : lines_of(text)) {
        print_line(line);
    }
}

// What is to be typed, or all of it.
void print_setup(const Format& format, const Values& values, bool all) {
    for (const auto& file : info_of(format).setup) {
        if (!file.path.empty() && all) {
            print_line("# " + filled(file.path, values));
        }
        if (file.path.empty() || all) {
            print_text(filled_lines(file.text, values));
        }
    }
}

// What takes back what was typed.
void print_undo(const Format& format, const Values& values) {
    for (const auto& file : info_of(format).setup) {
        print_text(filled_lines(file.undo, values));
    }
}

int print_documents(const Context& context, const Format& format,
                    const Values& values) {
    Json files = Json::array();
    for (const auto& file : info_of(format).setup) {
        files.push_back({{"path", filled(file.path, values)},
                         {"text", filled_lines(file.text, values)},
                         {"undo", filled_lines(file.undo, values)}});
    }
    print_json({{"format", info_of(format).key},
                {"repository", context.args.repository},
                {"files", files}});
    return kDone;
}

Result<void> read_token(const Context& context, const Format& format,
                        Values& values) {
    const auto& args = context.args;
    if (args.token_stdin) {
        hide_process();
        LS_TRY(token, read_secret_from_stdin());
        values.token = token.view();
        return {};
    }
    bool wanted = false;
    bool user = false;
    for (const auto& file : info_of(format).setup) {
        wanted = wanted || (!file.path.empty() && has(file.text, "{token}"));
        user = user || (!file.path.empty() && has(file.text, "{user}"));
    }
    if (args.write && wanted) {
        return bad("a token is wanted: --token-stdin reads it");
    }
    if (args.write && user && args.user.empty()) {
        return bad("--user is wanted");
    }
    return {};
}

Result<int> say(const Context& context, const std::vector<Change>& changes,
                const char* done) {
    Json files = Json::array();
    for (const auto& change : changes) {
        files.push_back(change.path);
        if (!context.json()) {
            print_line(change.path + " " + done);
        }
    }
    if (context.json()) {
        print_json({{"done", done}, {"files", files}});
    }
    return kDone;
}

}  // namespace

Result<int> setup_client(Context& context) {
    const auto& args = context.args;
    LS_TRY(format, format_of(context));
    LS_TRY(values, values_of(context, info_of(*format)));
    if (!args.undo) {
        LS_CHECK(read_token(context, *format, values));
    }
    if (!args.write && !args.undo && !args.dry_run) {
        if (context.json()) {
            return print_documents(context, *format, values);
        }
        print_setup(*format, values, true);
        return kDone;
    }
    LS_TRY(changes, plan(context, *format, values));
    if (args.dry_run) {
        for (const auto& change : changes) {
            print_difference(change);
        }
        return kDone;
    }
    for (const auto& change : changes) {
        LS_CHECK(write_file_state(change.path, change.after));
    }
    LS_TRY(status, say(context, changes, args.undo ? "undone" : "written"));
    if (args.write && !context.json()) {
        values.token = "TOKEN";
        print_setup(*format, values, false);
    }
    if (args.undo && !context.json()) {
        print_undo(*format, values);
    }
    return status;
}

}  // namespace longshore
