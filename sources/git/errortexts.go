package git

import (
	"slices"
	"strings"
)

// Texts of others that Fairlead has to recognize, because they give nothing else. TestErrorTexts provokes them from the
// library and from git itself.

// keyRefusedText is in the error of ssh.NewClientConn when the server takes none of the keys: clientAuthenticate in
// golang.org/x/crypto/ssh/client_auth.go, v0.57.
const keyRefusedText = "unable to authenticate"

// missingTexts are what servers write to stderr about a repository that they do not have, or do not show, in lower
// case.
var missingTexts = []string{
	"does not appear to be a git repository", // git-upload-pack, in connect.c and setup.c
	"not found",                              // GitHub, Bitbucket
	"does not exist",                         // Gitea, Forgejo
	"no such",                                // servers that pass on the error of the file system
}

// isKeyRefused reports whether signing in over SSH failed because the server takes none of the keys.
func isKeyRefused(err error) bool { return strings.Contains(err.Error(), keyRefusedText) }

// isRepositoryMissing reports whether a server says on stderr that it does not have a repository, or does not show it.
func isRepositoryMissing(stderr string) bool {
	text := strings.ToLower(stderr)
	return slices.ContainsFunc(missingTexts, func(part string) bool { return strings.Contains(text, part) })
}
