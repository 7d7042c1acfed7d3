// Passwords: argon2id for those that are set here, bcrypt and sha-crypt for
// those of an htpasswd file. A stored hash says itself what it is and what it
// costs; one that would cost more than a login may is refused.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// Longest password in bytes; hashing takes all of them, bcrypt the first 72.
inline constexpr std::size_t kMaxPassword = 512;
inline constexpr std::size_t kMinPassword = 12;

/// For somebody who sets a password: long enough, not the name, not one
/// character again and again, not of the form of a token.
/// @errors invalid_argument (what is wrong, never the password)
Result<void> check_password_rules(std::string_view name,
                                  std::string_view password);

/// argon2id (RFC 9106), 19 MiB, 2 passes, as text `$argon2id$…`. Takes tens
/// of milliseconds.
/// @errors internal (no entropy), unavailable (no memory)
Result<std::string> hash_password(std::string_view password);

/// True for a hash that verify_password() takes.
bool is_password_hash(std::string_view hash) noexcept;

/// Takes as long as the hash says; false for a hash of any other form.
bool verify_password(const std::string& hash, std::string_view password);

/// A hash that no password has, and that costs as much as any that is made
/// here: for names that there are not.
const std::string& no_password_hash();

}  // namespace longshore
