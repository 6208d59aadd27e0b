package sources

import "strings"

// DigestPrefix is how every digest here begins; 64 lower-case hexadecimal digits follow.
const DigestPrefix = "sha256:"

// IsDigest reports whether s is a digest in the one form that is used here, sha256 and its 64 lower-case hexadecimal
// digits. Such a text is safe as a file name behind its colon.
func IsDigest(s string) bool {
	hash, ok := strings.CutPrefix(s, DigestPrefix)
	return ok && isHex(hash, 64)
}

// IsCommit reports whether s is a full SHA-1 commit in lower-case hexadecimal digits.
func IsCommit(s string) bool { return isHex(s, 40) }

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}
