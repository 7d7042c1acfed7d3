// The part of the tree that is about repositories of packages.
#include "ctl/commands.hpp"
#include "ctl/tree.hpp"

namespace longshore {
namespace {

void add_page(CLI::App* list, Arguments& args) {
    list->add_option("--limit", args.limit, "no more than so many")
        ->type_name("NUMBER");
    list->add_option("--last", args.last, "go on after this one")
        ->type_name("NAME");
}

}  // namespace

void CommandTree::add_repositories() {
    auto& args = context_.args;
    auto* repository = group("repository", "repositories of packages");
    auto add = [&](const char* name, const char* help, auto function) {
        auto* made = command(repository, name, help,
                             [this, function] { return function(context_); });
        made->add_option("NAME", args.name, "its name")->required();
        return made;
    };
    auto* create = add("create", "make one", create_repository);
    create->add_option("--format", args.format, "see: registryctl formats")
        ->required()
        ->type_name("FORMAT");
    auto* list = command(repository, "list", "list them",
                         [this] { return list_repositories(context_); });
    add_page(list, args);
    add("show", "what is known of one", show_repository);
    auto* change =
        add("change", "another description or settings", change_repository);
    for (auto* each : {create, change}) {
        each->add_option("--description", args.description, "for people")
            ->type_name("TEXT");
        each->add_option("--settings", args.settings,
                         "switches of the format, a JSON object")
            ->type_name("JSON");
    }
    add("delete", "delete one that holds nothing", delete_repository)
        ->add_flag("--with-packages", args.with_packages,
                   "or all that it holds with it");
    command(&app_, "formats", "list what there can be repositories of",
            [this] { return list_formats(context_); });
}

void CommandTree::add_packages() {
    auto& args = context_.args;
    auto* package = group("package", "packages and their versions");
    auto add = [&](CLI::App* parent, const char* name, const char* help,
                   auto function) {
        auto* made = command(parent, name, help,
                             [this, function] { return function(context_); });
        made->add_option("REPOSITORY", args.repository, "which it is in")
            ->required();
        return made;
    };
    auto* list = add(package, "list", "list packages", list_packages);
    add_page(list, args);
    auto* prefix =
        list->add_option("--prefix", args.prefix, "those whose names begin so")
            ->type_name("TEXT");
    list->add_option("--property", args.property,
                     "those that have it, or of which a version or file has it")
        ->type_name("NAME=VALUE")
        ->excludes(prefix);
    auto* show = add(package, "show", "versions of a package, or files of one",
                     show_package);
    auto* remove = add(package, "delete", "delete a version, or all of them",
                       delete_package);
    auto* yank = add(package, "yank", "for those alone who name it exactly",
                     yank_package);
    auto* unyank =
        add(package, "unyank", "undo yank and deprecate", unyank_package);
    auto* deprecate =
        add(package, "deprecate", "with a warning", deprecate_package);
    for (auto* each : {show, remove, yank, unyank, deprecate}) {
        each->add_option("PACKAGE", args.name, "its name")->required();
        auto* version = each->add_option("VERSION", args.version, "which");
        version->required(each != show && each != remove);
    }
    for (auto* each : {yank, deprecate}) {
        each->add_option("--reason", args.reason, "why, for people")
            ->type_name("TEXT");
    }
    auto* search =
        command(package, "search", "search by words, the most downloaded first",
                [this] { return search_packages(context_); });
    search->add_option("TEXT", args.text,
                       "words that begin words of name, summary or keywords");
    search->add_option("--repository", args.repository, "in one only")
        ->type_name("NAME");
    search->add_option("--limit", args.limit, "no more than so many")
        ->type_name("NUMBER");

    auto* file = group("file", "files of packages");
    auto* files = add(file, "list", "list files", list_package_files);
    add_page(files, args);
    files->add_option("--prefix", args.prefix, "those whose paths begin so")
        ->type_name("TEXT");

    auto* property = group("property", "names and values that packages have");
    auto* get = add(property, "get", "print them", get_properties);
    auto* set = add(property, "set", "set these and no others", set_properties);
    for (auto* each : {get, set}) {
        auto* path = each->add_option("--file", args.path, "of a file")
                         ->type_name("PATH");
        auto* of = each->add_option("--package", args.package, "of a package")
                       ->type_name("NAME")
                       ->excludes(path);
        each->add_option("--version", args.version, "of a version of it")
            ->type_name("VERSION")
            ->needs(of);
    }
    set->add_option("PROPERTY", args.properties, "NAME=VALUE, any number");
}

}  // namespace longshore
