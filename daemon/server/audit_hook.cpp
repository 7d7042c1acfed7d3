#include "server/audit_hook.hpp"

#include <string>

#include "auth/authorizer.hpp"
#include "auth/token_service.hpp"
#include "common/clock.hpp"

namespace longshore {

void tell_refusal(Guards* guards, const Question& question,
                  const RefusedAnswer& answer) {
    bool refused =
        answer.status == 401 || answer.status == 403 || answer.status == 429;
    bool elsewhere = question.target.starts_with(kTokenTarget);
    if (guards == nullptr || !refused || elsewhere) {
        return;
    }
    AuditNote note;
    note.action = answer.action.empty() ? "registry" : answer.action;
    note.refused = true;
    note.status = answer.status;
    if (answer.actor != nullptr) {
        note.actor = *answer.actor;
    } else {
        auto shown = read_credential(question.headers, question.client_cert);
        note.actor.credential = credential_name(shown.kind);
        note.actor.peer = question.peer;
        note.actor.request_id = question.request_id;
        note.claimed = shown.user;
    }
    note.repository = answer.name;
    note.target = answer.reference;
    note.detail = answer.message;
    guards->audit().add(std::move(note), unix_ms());
}

}  // namespace longshore
