#include "model_scenarios.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/layout.hpp"
#include "model/retention.hpp"
#include "model_choosers.hpp"
#include "model_fibers.hpp"

namespace longshore::model {
namespace {

using Start = std::function<void(World&)>;

// How a client comes to have a layer in the repository.
enum class Way { head, mount, upload };

// As clients push: what is there already is left out, what another
// repository has is mounted, the rest is sent.
void push(World& world, const Pushed& pushed,
          const std::vector<std::string>& layers, Way way = Way::head,
          std::string_view from = "a") {
    for (const auto& layer : layers) {
        auto digest = digest_of_text(layer);
        if (way == Way::head && world.head(pushed.name, digest)) {
            continue;
        }
        if (way == Way::mount && world.mount(pushed.name, from, digest)) {
            continue;
        }
        if (!world.upload(pushed.name, layer)) {
            return;
        }
    }
    world.put(pushed);
}

void client(World& world, std::string name, std::function<void(World&)> work) {
    spawn(std::move(name), [&world, work = std::move(work)] { work(world); });
}

void collector(World& world, int runs = 1, bool deep = false) {
    client(world, "collector", [=](World& w) {
        for (int i = 0; i < runs && !is_dead(); ++i) {
            w.collect(deep);
        }
    });
}

// A layer lies in the repository, old and not referred to.
Start old_layer(World& world) {
    world.link_blob("a", "one");
    auto pushed = image_of("a", "new", {"one"}, "latest");
    return [=](World& w) {
        client(w, "push", [=](World& x) { push(x, pushed, {"one"}); });
        collector(w);
    };
}

// The manifest comes without a word about it: refused, or it stays.
Start unasked(World& world) {
    world.link_blob("a", "one");
    auto pushed = image_of("a", "new", {"one"}, "latest");
    pushed.may_be_refused = true;
    return [=](World& w) {
        client(w, "push", [=](World& x) { x.put(pushed); });
        collector(w, 2);
    };
}

// nginx asks registryd to keep it.
Start foreign_links(World& world) {
    world.nginx_may_touch = false;
    return old_layer(world);
}

Start old_and_new_layer(World& world) {
    world.link_blob("a", "one");
    auto pushed = image_of("a", "new", {"one", "two"}, "latest");
    return [=](World& w) {
        client(w, "push", [=](World& x) { push(x, pushed, {"two", "one"}); });
        collector(w, 2);
    };
}

// The bytes lie on the disk, of no repository.
Start stored_bytes(World& world) {
    world.unlink_at_once("a", world.link_blob("a", "one"));
    auto pushed = image_of("b", "new", {"one"}, "latest");
    return [=](World& w) {
        client(w, "push",
               [=](World& x) { push(x, pushed, {"one"}, Way::upload); });
        collector(w);
    };
}

// Bytes of which no table knows, as an end between rename and row leaves them.
Start unknown_bytes(World& world) {
    world.store_blob("one");
    auto pushed = image_of("b", "new", {"one"}, "latest");
    return [=](World& w) {
        client(w, "push",
               [=](World& x) { push(x, pushed, {"one"}, Way::upload); });
        collector(w, 1, true);
    };
}

Start two_uploads(World& world) {
    world.link_blob("a", "one");
    auto first = image_of("a", "first", {"one"}, "first");
    auto second = image_of("b", "second", {"one"}, "second");
    return [=](World& w) {
        client(w, "push",
               [=](World& x) { push(x, first, {"one"}, Way::upload); });
        client(w, "push of b",
               [=](World& x) { push(x, second, {"one"}, Way::upload); });
        collector(w);
    };
}

Start mounted(World& world) {
    world.link_blob("a", "one");
    auto pushed = image_of("b", "new", {"one"}, "latest");
    return [=](World& w) {
        client(w, "mount",
               [=](World& x) { push(x, pushed, {"one"}, Way::mount); });
        collector(w);
    };
}

// An image goes while one with the same layers comes.
Start deleted_and_pushed(World& world) {
    world.link_blob("a", "one");
    world.link_blob("a", "two");
    auto old = image_of("a", "old", {"one", "two"}, "latest");
    auto fresh = image_of("a", "new", {"one", "three"}, "latest");
    world.push_at_once(old);
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(old); });
        client(w, "push", [=](World& x) { push(x, fresh, {"one", "three"}); });
        collector(w, 2);
    };
}

// The same image again, as distribution#3743 tells.
Start pushed_again(World& world) {
    world.link_blob("a", "one");
    auto image = image_of("a", "same", {"one"}, "latest");
    world.push_at_once(image);
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(image); });
        client(w, "push", [=](World& x) {
            push(x, image, {"one"});
            x.pull(image);
        });
        collector(w, 2);
    };
}

// One layer of two images in two repositories; one image goes.
Start shared_layer(World& world) {
    world.link_blob("a", "one");
    world.link_blob("b", "one");
    auto stays = image_of("a", "stays", {"one"}, "latest");
    auto goes = image_of("b", "goes", {"one"}, "latest");
    world.push_at_once(stays);
    world.push_at_once(goes);
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(goes); });
        client(w, "pull", [=](World& x) { x.pull(stays); });
        collector(w, 2);
    };
}

// Untagged children of a tagged index, as distribution#3004 tells.
Start index_with_children(World& world) {
    world.link_blob("a", "one");
    auto child = image_of("a", "child", {"one"});
    auto index = index_of("a", "index", {child}, "latest");
    auto other = image_of("a", "other", {"one"}, "other");
    world.push_at_once(child);
    world.push_at_once(index);
    world.push_at_once(other);
    return [=](World& w) {
        client(w, "delete", [=](World& x) {
            x.remove_tag(other);
            x.remove(other);
        });
        client(w, "pull", [=](World& x) {
            x.pull(index);
            x.pull(child);
        });
        collector(w, 2);
    };
}

// An index is pushed before its child, as a pull through a proxy does, and
// goes again: the child's row is only a mention when its bytes come.
Start mentioned_first(World& world) {
    auto child = image_of("a", "child", {});
    auto index = index_of("a", "index", {child});
    index.asks_nothing = true;
    world.push_at_once(index);
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(index); });
        client(w, "push", [=](World& x) { x.put(child); });
        collector(w, 2);
    };
}

// The mentioned one is a layer: only its upload makes it more.
Start mentioned_layer(World& world) {
    world.link_blob("a", "one");
    auto first = image_of("a", "first", {"one"});
    world.push_at_once(first);
    world.unlink_at_once("a", digest_of_text("one"));
    world.delete_at_once(first);
    auto pushed = image_of("a", "second", {"one"}, "latest");
    return [=](World& w) {
        client(w, "push",
               [=](World& x) { push(x, pushed, {"one"}, Way::upload); });
        collector(w, 2);
    };
}

Start referrer(World& world) {
    world.link_blob("a", "one");
    auto subject = image_of("a", "subject", {"one"}, "latest");
    auto about = image_of("a", "about", {"note"});
    about.facts.subject = subject.digest;
    world.push_at_once(subject);
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(subject); });
        client(w, "push", [=](World& x) { push(x, about, {"note"}); });
        client(w, "push again", [=](World& x) { push(x, subject, {"one"}); });
        collector(w);
    };
}

// The client itself takes a layer away that somebody is about to use.
Start blob_removed(World& world) {
    world.link_blob("a", "one");
    auto pushed = image_of("a", "new", {"one"}, "latest");
    return [=](World& w) {
        client(w, "delete",
               [=](World& x) { x.remove_blob("a", digest_of_text("one")); });
        client(w, "push", [=](World& x) { push(x, pushed, {"one"}); });
        collector(w);
    };
}

// What goes by rules: everything old of the repository but what they keep.
RetentionPolicy days(std::int64_t keep_younger, std::int64_t delete_untagged,
                     std::int64_t keep_pulled = 0) {
    RetentionPolicy rules{*Pattern::parse("a")};
    rules.keep_younger_days = keep_younger;
    rules.delete_untagged_days = delete_untagged;
    rules.keep_pulled_days = keep_pulled;
    return rules;
}

// An image that the rules may take.
Pushed old_image(World& world, const std::string& mark,
                 const std::string& layer, std::string tag = {}) {
    world.link_blob("a", layer);
    auto image = image_of("a", mark, {layer}, std::move(tag));
    world.push_at_once(image);
    world.let_go(image);
    return image;
}

void retention(World& world) {
    client(world, "retention", [](World& w) { w.retain(); });
}

// An old tag is pushed again, one is moved, while all old ones go.
Start retired_tags(World& world) {
    auto first = old_image(world, "first", "one", "v1");
    auto second = old_image(world, "second", "two", "v2");
    auto moved = first;
    moved.tag = "v2";
    world.set_rules(days(1, 1));
    return [=](World& w) {
        client(w, "push", [=](World& x) { push(x, first, {"one"}); });
        client(w, "move", [=](World& x) { push(x, moved, {"one"}); });
        retention(w);
        collector(w);
    };
}

// The newest stays, whichever that is by then.
Start kept_last(World& world) {
    auto first = old_image(world, "first", "one", "v1");
    auto second = old_image(world, "second", "one", "v2");
    RetentionPolicy rules{*Pattern::parse("a")};
    rules.keep_last = 1;
    world.set_rules(rules);
    return [=](World& w) {
        client(w, "push", [=](World& x) { push(x, first, {"one"}); });
        retention(w);
        collector(w);
    };
}

// It is pushed, tagged, or asked for, while it goes for having no tag.
Start retired_untagged(World& world) {
    auto old = old_image(world, "old", "one");
    auto tagged = old;
    tagged.tag = "latest";
    world.set_rules(days(0, 1));
    return [=](World& w) {
        client(w, "push", [=](World& x) { push(x, tagged, {"one"}); });
        client(w, "pull", [=](World& x) {
            if (x.ask(old)) {
                x.pull(old);
            }
        });
        retention(w);
        collector(w);
    };
}

// Whoever pushes an index asks for its children first. Or not: then it is
// refused, or they stay.
Start retired_child_of_index(World& world, bool asks) {
    auto child = old_image(world, "child", "one");
    auto index = index_of("a", "index", {child}, "latest");
    index.may_be_refused = !asks;
    world.sparse_indexes = asks;
    world.set_rules(days(0, 1));
    return [=](World& w) {
        client(w, "push", [=](World& x) {
            if (asks && !x.ask(child)) {
                push(x, child, {"one"});
            }
            x.put(index);
        });
        retention(w);
        collector(w);
    };
}

Start retired_child(World& world) {
    return retired_child_of_index(world, true);
}

Start retired_child_unasked(World& world) {
    return retired_child_of_index(world, false);
}

Start retired_and_deleted(World& world) {
    auto old = old_image(world, "old", "one", "v1");
    auto other = old_image(world, "other", "one");
    auto fresh = image_of("b", "new", {"one"}, "latest");
    world.set_rules(days(1, 1));
    return [=](World& w) {
        client(w, "delete", [=](World& x) {
            x.remove_tag(old);
            x.remove(other);
        });
        client(w, "mount",
               [=](World& x) { push(x, fresh, {"one"}, Way::mount); });
        retention(w);
        collector(w, 2);
    };
}

// A tag becomes immutable while rules and a client would have it gone.
Start made_immutable(World& world) {
    auto old = old_image(world, "old", "one", "v1");
    world.set_rules(days(1, 1));
    return [=](World& w) {
        client(w, "protect", [=](World& x) { x.protect(old); });
        client(w, "delete", [=](World& x) { x.remove_tag(old); });
        retention(w);
        collector(w);
    };
}

// One that is nowhere but in the trash.
Pushed collected_image(World& world) {
    world.link_blob("a", "one");
    auto image = image_of("a", "image", {"one"}, "latest");
    world.push_at_once(image);
    world.delete_at_once(image);
    world.collect_at_once();  // the layer's link
    world.collect_at_once();  // its bytes
    return image;
}

// What was collected comes back while it is pushed, while the trash is
// emptied, and while the collector looks for more.
Start undeleted(World& world) {
    auto image = collected_image(world);
    return [=](World& w) {
        client(w, "undelete", [=](World& x) { x.undelete(image); });
        client(w, "push", [=](World& x) { push(x, image, {"one"}); });
        client(w, "trash", [](World& x) { x.empty_trash(); });
        collector(w);
    };
}

// Bytes that no table knows when they come back.
Start undeleted_surely(World& world) {
    auto image = collected_image(world);
    return [=](World& w) {
        client(w, "undelete", [=](World& x) { x.undelete(image, true); });
        collector(w, 1, true);
    };
}

// With bytes that another repository has kept, and a child.
Start undeleted_index(World& world) {
    world.link_blob("a", "one");
    world.link_blob("b", "one");
    auto child = image_of("a", "child", {"one"});
    auto index = index_of("a", "index", {child}, "latest");
    auto stays = image_of("b", "stays", {"one"}, "latest");
    for (const auto& image : {child, index, stays}) {
        world.push_at_once(image);
    }
    world.delete_at_once(index);
    world.delete_at_once(child);
    world.collect_at_once();
    return [=](World& w) {
        client(w, "undelete", [=](World& x) { x.undelete(index); });
        client(w, "delete", [=](World& x) { x.remove(stays); });
        client(w, "trash", [](World& x) { x.empty_trash(); });
        collector(w);
    };
}

// Wrong bytes are taken away while right ones come.
Start scrubbed(World& world) {
    world.link_blob("a", "one");
    world.damage(world.link_blob("a", "two"));
    auto pushed = image_of("a", "new", {"one", "two"}, "latest");
    return [=](World& w) {
        client(w, "push", [=](World& x) {
            push(x, pushed, {"two", "one"}, Way::upload);
        });
        client(w, "scrub", [](World& x) { x.scrub(); });
        collector(w);
    };
}

Start many(World& world) {
    for (const auto* layer : {"one", "two"}) {
        world.link_blob("a", layer);
    }
    world.link_blob("b", "two");
    auto old = image_of("a", "old", {"one", "two"}, "latest");
    auto stays = image_of("b", "stays", {"two"}, "latest");
    world.push_at_once(old);
    world.push_at_once(stays);
    auto fresh = image_of("a", "new", {"one", "three"}, "latest");
    auto copy = image_of("b", "copy", {"one"}, "copy");
    return [=](World& w) {
        client(w, "delete", [=](World& x) { x.remove(old); });
        client(w, "push", [=](World& x) { push(x, fresh, {"three", "one"}); });
        client(w, "mount",
               [=](World& x) { push(x, copy, {"one"}, Way::mount); });
        client(w, "pull", [=](World& x) { x.pull(stays); });
        collector(w, 2);
    };
}

}  // namespace

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> kAll = {
        {"old-layer", old_layer, 3},
        {"unasked", unasked, 1},
        {"foreign-links", foreign_links, 2},
        {"old-and-new-layer", old_and_new_layer, 2},
        {"stored-bytes", stored_bytes, 3},
        {"unknown-bytes", unknown_bytes, 1},
        {"two-uploads", two_uploads, 2},
        {"mounted", mounted, 3},
        {"deleted-and-pushed", deleted_and_pushed, 2},
        {"pushed-again", pushed_again, 3},
        {"shared-layer", shared_layer, 2},
        {"index-with-children", index_with_children, 2},
        {"mentioned-first", mentioned_first, 2},
        {"mentioned-layer", mentioned_layer, 2},
        {"referrer", referrer, 2},
        {"blob-removed", blob_removed, 2},
        {"retired-tags", retired_tags, 2},
        {"kept-last", kept_last, 2},
        {"retired-untagged", retired_untagged, 3},
        {"retired-child", retired_child, 3},
        {"retired-child-unasked", retired_child_unasked, 1},
        {"retired-and-deleted", retired_and_deleted, 2},
        {"made-immutable", made_immutable, 2},
        {"undeleted", undeleted, 3},
        {"undeleted-surely", undeleted_surely, 1},
        {"undeleted-index", undeleted_index, 2},
        {"scrubbed", scrubbed, 1},
        {"many", many, 4},
    };
    return kAll;
}

const Scenario& scenario_of(std::string_view name) {
    for (const auto& scenario : scenarios()) {
        if (scenario.name == name) {
            return scenario;
        }
    }
    std::fprintf(stderr, "no scenario %.*s; there are",  // NOLINT
                 static_cast<int>(name.size()), name.data());
    for (const auto& scenario : scenarios()) {
        std::fprintf(stderr, " %s", scenario.name.data());
    }
    std::fprintf(stderr, "\n");
    std::exit(2);
}

Stage::Stage(const Scenario& scenario)
    : name_(scenario.name), start_(scenario.prepare(world_)) {
    world_.keep();
}

std::string Stage::play(Chooser& chooser) {
    world_.begin();
    start_(world_);
    auto ending = run(chooser);
    auto wrong = finish(ending);
    world_.end();
    return wrong;
}

std::string Stage::finish(Ending ending) {
    switch (ending) {
        case Ending::done:
            return world_.check(false);
        case Ending::crashed: {
            kill_all();
            auto wrong = world_.recover();
            return wrong.empty() ? world_.check(true) : wrong;
        }
        case Ending::stopped:
        case Ending::stuck:
        case Ending::endless:
            break;
    }
    auto wrong = ending == Ending::stuck     ? "nobody can go on"
                 : ending == Ending::endless ? "it does not end"
                                             : world_.failure();
    if (ending == Ending::stuck) {
        // There is no way on from here.
        std::fprintf(stderr, "%s: nobody can go on: %s\n", name_.data(),
                     write_trace(trace()).c_str());
        std::abort();
    }
    kill_all();
    restart();
    return wrong;
}

}  // namespace longshore::model
