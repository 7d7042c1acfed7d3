#include "ngx_module/header_block.hpp"

#include <cstring>
#include <limits>

#include "ngx_module/reply.hpp"

namespace longshore {
namespace {

// In front of each name, which its value follows. Of this process and its
// siblings only: never on a disk or a wire.
struct Mark {
    std::uint32_t value_bytes;
    std::uint16_t name_bytes;
    HeaderKind kind;
};

std::string_view take(std::string_view& block, std::size_t bytes) noexcept {
    auto taken = block.substr(0, bytes);
    block.remove_prefix(taken.size());
    return taken;
}

}  // namespace

void append_header(std::string& block, std::string_view name,
                   std::string_view value) {
    if (!is_sendable(name, value) ||
        name.size() > std::numeric_limits<std::uint16_t>::max() ||
        value.size() > std::numeric_limits<std::uint32_t>::max()) {
        return;
    }
    Mark mark = {};
    mark.value_bytes = static_cast<std::uint32_t>(value.size());
    mark.name_bytes = static_cast<std::uint16_t>(name.size());
    mark.kind = kind_of(name);
    block.append(reinterpret_cast<const char*>(&mark), sizeof mark);
    block.append(name).append(value);
}

bool put_headers(RequestCtx& ctx, std::string_view block) noexcept {
    while (block.size() >= sizeof(Mark)) {
        Mark mark;
        std::memcpy(&mark, take(block, sizeof mark).data(), sizeof mark);
        auto name = take(block, mark.name_bytes);
        auto value = take(block, mark.value_bytes);
        if (mark.kind == HeaderKind::digest && ctx.digest.empty()) {
            ctx.digest = value;
        }
        if (put_sendable(ctx.r, mark.kind, name, value) != NGX_OK) {
            return false;
        }
    }
    return true;
}

}  // namespace longshore
