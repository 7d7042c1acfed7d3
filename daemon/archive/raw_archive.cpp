#include "archive/raw_archive.hpp"

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <utility>
#include <vector>

#include "archive/libarchive.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

/// While it lives, this thread is in the C locale, in which libarchive leaves
/// names that it cannot convert as they are.
class CLocale {
public:
    CLocale() : before_(::uselocale(c_locale())) {}
    ~CLocale() { ::uselocale(before_); }
    CLocale(const CLocale&) = delete;
    CLocale& operator=(const CLocale&) = delete;

private:
    static locale_t c_locale() {
        static locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
        return locale;
    }

    locale_t before_;
};

/// What libarchive reads from, and the error it could not be told.
class Input {
public:
    Input() = default;
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    virtual ~Input() = default;

    virtual Result<std::string_view> read() = 0;
    virtual std::uint64_t skip(std::uint64_t bytes) = 0;
    virtual std::int64_t seek(std::int64_t offset, int whence) = 0;

    std::optional<Error> error;
};

class FeedInput final : public Input {
public:
    explicit FeedInput(Feed& feed) : feed_(feed) {}

    Result<std::string_view> read() override { return feed_.read(); }
    std::uint64_t skip(std::uint64_t bytes) override {
        return feed_.skip(bytes);
    }
    std::int64_t seek(std::int64_t /*offset*/, int /*whence*/) override {
        return ARCHIVE_FATAL;
    }

private:
    Feed& feed_;
};

class SourceInput final : public Input {
public:
    SourceInput(const ByteSource& source, ArchiveBudget& budget)
        : source_(source), budget_(budget), block_(kBlockBytes) {}

    Result<std::string_view> read() override {
        LS_TRY(size, source_.read_at(offset_, block_));
        offset_ += size;
        budget_.read_source(size);
        LS_CHECK(budget_.time());
        return std::string_view(block_.data(), size);
    }

    std::uint64_t skip(std::uint64_t bytes) override {
        auto size = source_.size();
        auto left = size > offset_ ? size - offset_ : 0;
        auto step = std::min(bytes, left);
        offset_ += step;
        return step;
    }

    std::int64_t seek(std::int64_t offset, int whence) override {
        auto from = whence == SEEK_SET   ? std::uint64_t{0}
                    : whence == SEEK_CUR ? offset_
                                         : source_.size();
        auto to = static_cast<std::int64_t>(from) + offset;
        if (to < 0) {
            return ARCHIVE_FATAL;
        }
        offset_ = static_cast<std::uint64_t>(to);
        return to;
    }

private:
    const ByteSource& source_;
    ArchiveBudget& budget_;
    std::vector<char> block_;
    std::uint64_t offset_ = 0;
};

la_ssize_t read_callback(archive* /*handle*/, void* data, const void** bytes) {
    auto* input = static_cast<Input*>(data);
    auto block = input->read();
    if (!block) {
        input->error = std::move(block).error();
        return -1;
    }
    *bytes = block->data();
    return static_cast<la_ssize_t>(block->size());
}

la_int64_t skip_callback(archive* /*handle*/, void* data, la_int64_t bytes) {
    return static_cast<la_int64_t>(
        static_cast<Input*>(data)->skip(static_cast<std::uint64_t>(bytes)));
}

la_int64_t seek_callback(archive* /*handle*/, void* data, la_int64_t offset,
                         int whence) {
    return static_cast<Input*>(data)->seek(offset, whence);
}

class Handle final : public RawArchive {
public:
    Handle(const LibArchive& api, std::unique_ptr<Input> input)
        : api_(api), input_(std::move(input)), handle_(api.read_new()) {}
    ~Handle() override { api_.read_free(handle_); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    Result<void> open(Kind container);
    Result<bool> next(ArchiveEntry& entry) override;
    Result<std::optional<std::string_view>> data() override;
    Result<void> skip_data() override;
    std::uint64_t position() const override;

private:
    Error failure() const;
    bool only_a_charset() const;
    Result<void> read_entry(archive_entry* from, ArchiveEntry& entry) const;

    const LibArchive& api_;
    std::unique_ptr<Input> input_;
    archive* handle_;
    std::uint64_t data_read_ = 0;
};

/// What the input said, else what libarchive says, in our spelling.
Error Handle::failure() const {
    if (input_->error) {
        return *input_->error;
    }
    const char* said = api_.error_string(handle_);
    std::string text = "archive is damaged";
    if (said != nullptr && *said != '\0') {
        text += ": ";
        for (const char* c = said; *c != '\0'; ++c) {
            bool first = c == said && *c >= 'A' && *c <= 'Z';
            bool shown = *c >= 0x20 && *c < 0x7f;
            text +=
                first ? static_cast<char>(*c - 'A' + 'a') : (shown ? *c : '?');
        }
    }
    return {Code::invalid_argument, std::move(text)};
}

/// A warning that a name is not ASCII, with the name left as it was. There is
/// no code for it.
bool Handle::only_a_charset() const {
    const char* said = api_.error_string(handle_);
    return said != nullptr && std::string_view(said).find("converted from") !=
                                  std::string_view::npos;
}

Result<void> Handle::open(Kind container) {
    CLocale locale;
    auto add = container == Kind::zip  ? api_.format_zip
               : container == Kind::ar ? api_.format_ar
                                       : api_.format_tar;
    bool ready = handle_ != nullptr && add(handle_) == ARCHIVE_OK &&
                 api_.set_read(handle_, read_callback) == ARCHIVE_OK &&
                 api_.set_skip(handle_, skip_callback) == ARCHIVE_OK &&
                 api_.set_data(handle_, input_.get()) == ARCHIVE_OK;
    if (ready && container == Kind::zip) {
        ready = api_.set_seek(handle_, seek_callback) == ARCHIVE_OK;
    }
    if (!ready) {
        return Error{Code::unavailable, "libarchive does not start"};
    }
    if (api_.open1(handle_) != ARCHIVE_OK) {
        return failure();
    }
    return {};
}

Result<void> Handle::read_entry(archive_entry* from,
                                ArchiveEntry& entry) const {
    const char* path = api_.pathname(from);
    entry.path = path != nullptr ? path : "";
    entry.target.clear();
    if (const char* target = api_.hardlink(from); target != nullptr) {
        entry.type = EntryType::hardlink;
        entry.target = target;
    } else if (api_.filetype(from) == AE_IFLNK) {
        const char* text = api_.symlink(from);
        entry.type = EntryType::symlink;
        entry.target = text != nullptr ? text : "";
    } else if (api_.filetype(from) == AE_IFDIR) {
        entry.type = EntryType::folder;
    } else if (api_.filetype(from) == AE_IFREG) {
        entry.type = EntryType::file;
    } else {
        entry.type = EntryType::other;
    }
    entry.size.reset();
    if (api_.size_is_set(from) != 0) {
        auto size = api_.size(from);
        if (size < 0) {
            return Error{Code::invalid_argument,
                         "archive entry's size is negative"};
        }
        entry.size = static_cast<std::uint64_t>(size);
    }
    entry.mode = static_cast<unsigned>(api_.perm(from)) & 07777;
    entry.mtime = api_.mtime(from);
    return {};
}

Result<bool> Handle::next(ArchiveEntry& entry) {
    CLocale locale;
    archive_entry* from = nullptr;
    int answer = api_.next_header(handle_, &from);
    data_read_ = 0;
    if (input_->error) {
        // Also where libarchive takes it for an end.
        return failure();
    }
    if (answer == ARCHIVE_EOF) {
        return false;
    }
    if (answer != ARCHIVE_OK && (answer != ARCHIVE_WARN || !only_a_charset())) {
        return failure();
    }
    LS_CHECK(read_entry(from, entry));
    return true;
}

Result<std::optional<std::string_view>> Handle::data() {
    CLocale locale;
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int answer = api_.data_block(handle_, &bytes, &size, &offset);
    if (answer == ARCHIVE_EOF && !input_->error) {
        return std::optional<std::string_view>();
    }
    if (answer != ARCHIVE_OK) {
        return failure();
    }
    if (size > 0 && static_cast<std::uint64_t>(offset) != data_read_) {
        return Error{Code::invalid_argument, "archive entry is a sparse file"};
    }
    data_read_ += size;
    return std::optional<std::string_view>(
        std::in_place, static_cast<const char*>(bytes), size);
}

Result<void> Handle::skip_data() {
    CLocale locale;
    if (api_.data_skip(handle_) != ARCHIVE_OK || input_->error) {
        return failure();
    }
    return {};
}

std::uint64_t Handle::position() const {
    return static_cast<std::uint64_t>(api_.filter_bytes(handle_, 0));
}

Result<std::unique_ptr<RawArchive>> make(std::unique_ptr<Input> input,
                                         Kind container) {
    LS_TRY(api, load_libarchive());
    auto handle = std::make_unique<Handle>(*api, std::move(input));
    LS_CHECK(handle->open(container));
    return std::unique_ptr<RawArchive>(std::move(handle));
}

}  // namespace

Result<std::unique_ptr<RawArchive>> RawArchive::open(Feed& feed,
                                                     Kind container) {
    return make(std::make_unique<FeedInput>(feed), container);
}

Result<std::unique_ptr<RawArchive>> RawArchive::open_zip(
    const ByteSource& source, ArchiveBudget& budget) {
    return make(std::make_unique<SourceInput>(source, budget), Kind::zip);
}

}  // namespace longshore
