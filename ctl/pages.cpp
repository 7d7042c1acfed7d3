#include "ctl/pages.hpp"

#include <map>
#include <string_view>
#include <vector>

namespace longshore {
namespace {

std::vector<const CLI::App*> children(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
}

// Options without --help; positional ones or the others.
std::vector<const CLI::Option*> options(const CLI::App& app, bool positional) {
    return app.get_options([&](const CLI::Option* option) {
        return option->get_positional() == positional &&
               option->get_name() != "-h,--help" &&
               option->get_name() != "--help";
    });
}

// What an option takes: "FILE", "{text,json}", "" for a flag.
std::string value_of(const CLI::Option& option) {
    if (option.get_expected_max() == 0) {
        return "";
    }
    auto type = option.get_type_name();
    auto brace = type.find('{');
    return brace == std::string::npos ? type : type.substr(brace);
}

std::string replaced(std::string text, std::string_view from,
                     std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size()) {
        text.replace(at, from.size(), to);
    }
    return text;
}

// "{a,b}" as "a b"; "" for anything else.
std::string choices(const CLI::Option& option) {
    auto value = value_of(option);
    if (!value.starts_with('{')) {
        return "";
    }
    return replaced(value.substr(1, value.size() - 2), ",", " ");
}

// "NAME PATTERN [ACTIONS]"
std::string synopsis(const CLI::App& app) {
    std::string out;
    for (const auto* option : options(app, true)) {
        auto name = option->get_name(true);
        out += option->get_required() ? " " + name : " [" + name + "]";
    }
    return out;
}

// "--output text|json"
std::string usage(const CLI::Option& option) {
    auto out = option.get_name();
    if (auto among = choices(option); !among.empty()) {
        out += " " + replaced(among, " ", "|");
    } else if (auto value = value_of(option); !value.empty()) {
        out += " " + value;
    }
    return out;
}

template <typename F>
void for_each_command(const CLI::App& app, const std::string& path,
                      const F& work) {
    for (const auto* child : children(app)) {
        auto name =
            path.empty() ? child->get_name() : path + " " + child->get_name();
        if (children(*child).empty()) {
            work(*child, name);
        } else {
            for_each_command(*child, name, work);
        }
    }
}

// A backslash, a dash that is to be copied, and a line's first dot or quote.
std::string roff(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

void roff_options(std::string& out, const CLI::App& app) {
    for (bool positional : {true, false}) {
        for (const auto* option : options(app, positional)) {
            out += ".RS\n.TP\n.B " +
                   roff(positional ? option->get_name(true) : usage(*option)) +
                   "\n" + roff(option->get_description()) + "\n.RE\n";
        }
    }
}

std::string words_of(const CLI::App& app) {
    std::string out;
    for (const auto* child : children(app)) {
        out += child->get_name() + " ";
    }
    for (const auto* option : options(app, false)) {
        for (const auto& name : option->get_lnames()) {
            out += "--" + name + " ";
        }
    }
    // Of positional values those that can be listed.
    for (const auto* option : options(app, true)) {
        auto among = choices(*option);
        out += among + (among.empty() ? "" : " ");
    }
    return out + "--help";
}

void all_words(std::string& out, const CLI::App& app, const std::string& path) {
    out += "    '" + path + "') known='" + words_of(app) + "' ;;\n";
    for (const auto* child : children(app)) {
        all_words(
            out, *child,
            path.empty() ? child->get_name() : path + " " + child->get_name());
    }
}

// From the words so far to those with the next one.
void all_steps(std::string& out, const CLI::App& app, const std::string& path) {
    for (const auto* child : children(app)) {
        const auto& name = child->get_name();
        auto next = path.empty() ? "$word" : "\"$at $word\"";
        auto before =
            path.find(' ') == std::string::npos ? path : "'" + path + "'";
        out.append("        ").append(before).append(":").append(name);
        out.append(") at=").append(next).append(" ;;\n");
        auto longer = path;
        longer.append(path.empty() ? "" : " ").append(name);
        all_steps(out, *child, longer);
    }
}

// Options with a value, of the whole tree: name and what completes it. Two
// commands may have the same one.
void all_values(std::map<std::string, std::string>& found,
                const CLI::App& app) {
    for (const auto* option : options(app, false)) {
        auto value = value_of(*option);
        if (value.empty()) {
            continue;
        }
        std::string names;
        for (const auto& name : option->get_snames()) {
            names += (names.empty() ? "-" : "|-") + name;
        }
        for (const auto& name : option->get_lnames()) {
            names += (names.empty() ? "--" : "|--") + name;
        }
        found[names] = value == "FILE"     ? "-f"
                       : value == "FOLDER" ? "-d"
                                           : "-W '" + choices(*option) + "'";
    }
    for (const auto* child : children(app)) {
        all_values(found, *child);
    }
}

}  // namespace

std::string man_page(const CLI::App& app) {
    std::string out =
        ".TH REGISTRYCTL 1 \"\" \"longshore " LS_VERSION
        "\" \"User commands\"\n"
        ".SH NAME\nregistryctl \\- accounts, rights and data of a registry\n"
        ".SH SYNOPSIS\n.B registryctl\n.I command\n[\\fIoption\\fR ...]\n"
        ".SH DESCRIPTION\n"
        "Works on the database of\n.BR registryd (8),\n"
        "whether it runs or not. A running daemon knows a change within a "
        "second.\nRun by root it becomes the owner of the data folder.\n"
        ".PP\nPasswords are asked for on the terminal or read from standard "
        "input,\nnever taken from the command line.\n"
        ".SH COMMANDS\n";
    for_each_command(app, "",
                     [&](const CLI::App& command, const std::string& name) {
                         out += ".TP\n.B " + roff(name + synopsis(command)) +
                                "\n" + roff(command.get_description()) + "\n";
                         roff_options(out, command);
                     });
    out += ".SH OPTIONS\nOf every command:\n";
    roff_options(out, app);
    out += ".SH EXIT STATUS\n" + roff(kStatusHelp) +
           "\n.SH FILES\n.I /etc/registryd/registryd.conf\n"
           ".SH EXAMPLES\n.nf\n" +
           roff(
               "registryctl setup admin\n"
               "registryctl user add alice\n"
               "registryctl grant add alice 'team/**' pull,push\n"
               "registryctl visibility set 'public/**' public\n"
               "registryctl token create alice --actions pull,push "
               "--repository team/app --expires 30d\n"
               "registryctl can alice push team/app\n") +
           ".fi\n";
    return out;
}

// Neither `path` nor `words`: in zsh they are the shell's own.
std::string completion(const CLI::App& app) {
    std::string out =
        "# Completion of registryctl for bash; for zsh, first:\n"
        "#   autoload -U +X bashcompinit && bashcompinit\n"
        "_registryctl_reply() {\n"
        "    local line\n"
        "    while IFS= read -r line; do\n"
        "        COMPREPLY+=(\"$line\")\n"
        "    done < <(compgen \"$@\")\n"
        "}\n"
        "_registryctl() {\n"
        "    local now=${COMP_WORDS[COMP_CWORD]} before='' at='' known=''\n"
        "    local word i\n"
        "    COMPREPLY=()\n"
        "    ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    case $before in\n";
    std::map<std::string, std::string> values;
    all_values(values, app);
    std::string with_value;
    for (const auto& [names, reply] : values) {
        with_value += (with_value.empty() ? "" : "|") + names;
        out += "    " + names + ")\n";
        if (!reply.starts_with("-W")) {
            out += "        compopt -o filenames 2>/dev/null\n";
        }
        out += "        _registryctl_reply " + reply +
               " -- \"$now\"\n        return\n        ;;\n";
    }
    out +=
        "    esac\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        case $at:$word in\n"
        "        *:" +
        replaced(with_value, "|", " | *:") + ") ((i++)) ;;\n";
    all_steps(out, app, "");
    out +=
        "        esac\n"
        "    done\n"
        "    case $at in\n";
    all_words(out, app, "");
    out +=
        "    esac\n"
        "    if [[ -n $at && $now == -* ]]; then\n"
        "        known+=' --json --config --root --database --output'\n"
        "    fi\n"
        "    _registryctl_reply -W \"$known\" -- \"$now\"\n"
        "}\n"
        "complete -F _registryctl registryctl\n";
    return out;
}

std::string reference(const CLI::App& app) {
    std::string out = "| Command | | Options |\n| --- | --- | --- |\n";
    for_each_command(
        app, "", [&](const CLI::App& command, const std::string& name) {
            out += "| `" + name + synopsis(command) + "` | " +
                   command.get_description() + " |";
            const char* between = " ";
            for (const auto* option : options(command, false)) {
                auto text = usage(*option);
                for (std::size_t at = 0;
                     (at = text.find('|', at)) != std::string::npos; at += 2) {
                    text.replace(at, 1, "\\|");
                }
                out += between;
                out += "`" + text + "`: " + option->get_description();
                between = "; ";
            }
            out += " |\n";
        });
    return out;
}

}  // namespace longshore
