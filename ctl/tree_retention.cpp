// The commands of retention and of immutable tags.
#include "ctl/commands.hpp"
#include "ctl/tree.hpp"

namespace longshore {

void CommandTree::add_retention() {
    auto& args = context_.args;
    auto* retention = group(
        "retention", "which tags and untagged manifests go by themselves");
    auto* set =
        command(retention, "set",
                "set the policy of a pattern; the most specific pattern counts",
                [this] { return set_retention(context_); });
    set->add_option("PATTERN", args.pattern,
                    "repositories; * is any text without /, ** any text")
        ->required();
    set->add_option("--keep-last", args.keep_last, "the newest tags")
        ->type_name("N");
    set->add_option("--keep-tags", args.keep_tags,
                    "tags; * is any text; may be repeated")
        ->type_name("TAGS")
        ->allow_extra_args(false);
    set->add_option("--keep-pulled", args.keep_pulled_days,
                    "what was pulled within these days")
        ->type_name("DAYS");
    set->add_option("--keep-younger", args.keep_younger_days,
                    "what was pushed within these days")
        ->type_name("DAYS");
    set->add_option("--delete-untagged", args.delete_untagged_days,
                    "manifests that no tag leads to go so long after their "
                    "last use; without it they stay")
        ->type_name("DAYS");
    command(retention, "list", "print the policies",
            [this] { return list_retention(context_); });
    auto* remove = command(retention, "delete", "remove a policy",
                           [this] { return remove_retention(context_); });
    remove->add_option("PATTERN", args.pattern, "as it was set")->required();
    auto* preview =
        command(retention, "preview", "print what a run would do now",
                [this] { return preview_retention(context_); });
    preview->add_option("--repository", args.repository, "of one only")
        ->type_name("NAME");
    auto* run = command(retention, "run", "apply the policies now",
                        [this] { return run_retention(context_); });
    run->add_option("--repository", args.repository, "to one only")
        ->type_name("NAME");
    run->add_flag("--no-wait", args.no_wait, "do not wait for its end");
    command(retention, "status", "print the last runs",
            [this] { return show_retention(context_); });

    auto* immutable =
        group("immutable", "tags that are neither moved nor deleted");
    auto* add = command(immutable, "add", "let nobody move or delete tags",
                        [this] { return add_immutable_tags(context_); });
    auto* end = command(immutable, "remove", "remove such a rule",
                        [this] { return remove_immutable_tags(context_); });
    for (auto* one : {add, end}) {
        one->add_option("PATTERN", args.pattern,
                        "repositories; * is any text without /, ** any text")
            ->required();
        one->add_option("TAGS", args.tag_pattern, "tags; * is any text")
            ->required();
    }
    command(immutable, "list", "print the rules",
            [this] { return list_immutable_tags(context_); });
}

}  // namespace longshore
