// PackageFormat: what every format of packages has in common. Its targets are
// /<mount>/<repository><pattern of a route>.
#pragma once

#include "registry/format.hpp"

namespace longshore {

class PackageFormat : public Format {
public:
    /// The first route whose pattern and method fit. GET stands for HEAD.
    Match match(Method method, std::string_view target,
                std::span<char> scratch) const final;

    /// common/package_error.hpp; override where the client reads another.
    Reply render(const Error& error) const override;
};

/// Answer to a read of a stored file: nginx sends it, counts it, answers
/// ranges and conditions, and may do so again without asking.
Reply file_reply(const Context& ctx, const FileEntry& entry);

/// 200 with a JSON document that may be kept until something of the package
/// changes; "" as package: of the repository as a whole is not kept.
Reply json_document(const Context& ctx, std::string body,
                    std::string_view package_key = {});

/// A write's answer.
Reply written_reply(int status, Written written, std::string body = {},
                    std::string_view media_type = "application/json");

/// The number that a query argument gives, at most `most`; `otherwise` without
/// one, and where it is no number.
std::size_t count_argument(const Request& request, std::string_view name,
                           std::size_t otherwise, std::size_t most);

/// The switch `name` of the repository's settings; `otherwise` if it has none.
bool setting(const Repository& repository, std::string_view name,
             bool otherwise);

}  // namespace longshore
