// Access: the proof that somebody may do something with a repository. Catalog
// and Publisher demand one as their first argument, so a forgotten check does
// not compile. Only Authorizer makes them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/action.hpp"
#include "model/actor.hpp"

namespace longshore {

/// A name that was parsed and found canonical (is_repository_name). Policy
/// and storage see no other spelling.
class RepositoryName {
public:
    std::string_view text() const noexcept { return text_; }
    std::string str() const { return text_; }

    /// `text` must satisfy is_repository_name(); asserts it.
    explicit RepositoryName(std::string_view text);

private:
    std::string text_;
};

class Access {
public:
    const RepositoryName& name() const noexcept { return name_; }
    Action action() const noexcept { return action_; }
    /// Whom it was given to, for the audit log.
    const Actor& actor() const noexcept { return *actor_; }

private:
    friend class Authorizer;
    Access(RepositoryName name, Action action,
           std::shared_ptr<const Actor> actor)
        : name_(std::move(name)), action_(action), actor_(std::move(actor)) {}

    RepositoryName name_;
    Action action_;
    std::shared_ptr<const Actor> actor_;  // never null
};

}  // namespace longshore
