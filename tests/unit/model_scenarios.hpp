// What the histories are about: a few clients and the collector, at digests
// they share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model_fibers.hpp"
#include "model_world.hpp"

namespace longshore::model {

/// Its first part is made once, before keep(); start() spawns the fibers of
/// one history.
struct Scenario {
    std::string_view name;
    /// Digests and manifests that both parts need live in what is returned.
    std::function<std::function<void(World&)>(World&)> prepare;
    /// How often by lot, among all.
    unsigned weight = 1;
};

const std::vector<Scenario>& scenarios();

/// A world in which `scenario` was prepared.
class Stage {
public:
    explicit Stage(const Scenario& scenario);
    World& world() noexcept { return world_; }
    /// What is wrong with the history, or "".
    std::string play(Chooser& chooser);
    std::string_view name() const noexcept { return name_; }

private:
    std::string finish(Ending ending);

    World world_;
    std::string_view name_;
    std::function<void(World&)> start_;
};

/// The scenario of this name; there is one.
const Scenario& scenario_of(std::string_view name);

}  // namespace longshore::model
