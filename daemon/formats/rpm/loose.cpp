#include "formats/rpm/loose.hpp"

#include <algorithm>
#include <string>

#include "syntax/xml.hpp"
#include "syntax/yaml.hpp"

namespace longshore::rpm {
namespace {

constexpr std::size_t kMaxNodes = 2'000'000;
// A comps has its document type within so many bytes.
constexpr std::size_t kMaxProlog = 4096;

Error bad(const LooseKind& kind, std::string_view why) {
    return Error{Code::invalid_argument,
                 std::string(kind.file) + ": " + std::string(why)};
}

// Comps files name their document type. One that only refers to a DTD, which
// nobody fetches, is harmless; one with declarations of its own is not.
std::string without_document_type(std::string_view text) {
    std::string out(text);
    auto head = text.substr(0, kMaxProlog);
    auto at = head.find("<!DOCTYPE");
    auto end = at == head.npos ? at : head.find('>', at);
    if (end != head.npos && head.substr(at, end - at).find('[') == head.npos) {
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(at),
                  out.begin() + static_cast<std::ptrdiff_t>(end) + 1, ' ');
    }
    return out;
}

Result<void> check_xml(const LooseKind& kind, std::string_view bytes) {
    XmlLimits limits;
    limits.bytes = kMaxLoose;
    limits.nodes = kMaxNodes;
    LS_TRY(root, read_xml(without_document_type(bytes), limits));
    if (root.name != kind.root) {
        return bad(kind, "the root element is <" + std::string(kind.root) +
                             ">, not <" + root.name.substr(0, 64) + ">");
    }
    return {};
}

Result<void> check_modules(const LooseKind& kind, std::string_view bytes) {
    YamlLimits limits;
    limits.bytes = kMaxLoose;
    LS_TRY(documents, read_yaml_documents(bytes, limits));
    for (const auto& document : documents) {
        auto type =
            document.is_object() ? document.find("document") : document.end();
        if (type == document.end() || !type->is_string() ||
            !type->get_ref<const std::string&>().starts_with("modulemd") ||
            !document.contains("version") || !document.contains("data")) {
            return bad(kind,
                       "each document says \"document: modulemd…\", its "
                       "version and data");
        }
    }
    return documents.empty() ? bad(kind, "there is no document in it")
                             : Result<void>();
}

}  // namespace

const LooseKind* find_loose(std::string_view file) noexcept {
    const auto* found =
        std::find_if(kLooseKinds.begin(), kLooseKinds.end(),
                     [&](const auto& kind) { return kind.file == file; });
    return found == kLooseKinds.end() ? nullptr : found;
}

Result<void> check_loose(const LooseKind& kind, std::string_view bytes) {
    return kind.root.empty() ? check_modules(kind, bytes)
                             : check_xml(kind, bytes);
}

}  // namespace longshore::rpm
