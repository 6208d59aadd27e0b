package install

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestRepositoryCheck(t *testing.T) {
	t.Parallel()
	const malformed = "the URL of the repository is malformed; use https://host/path or ssh://git@host/path"
	tests := map[string]string{
		"https://github.com/org/fleet":          "",
		"git@github.com:org/fleet.git":          "the URL of the repository has no scheme; use ssh://git@github.com/org/fleet.git",
		"deploy@git.example.com:/srv/fleet.git": "the URL of the repository has no scheme; use ssh://deploy@git.example.com/srv/fleet.git",
		"git:hunter2@github.com:org/fleet.git":  `the URL of the repository has the scheme "git"; only https, http and ssh can be used`,
		"https://user:hunter2@host:port/fleet":  malformed,
		"ssh://git@github.com/org/fleet.git":    "a repository over ssh needs a private key",
		"file:///srv/fleet.git":                 `the URL of the repository has the scheme "file"; only https, http and ssh can be used`,
	}
	for address, want := range tests {
		got := ""
		if err := (Repository{URL: address}).Check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestNewKeyNamesTheAddressToUse(t *testing.T) {
	t.Parallel()
	_, err := NewKey("git@github.com:org/fleet.git", nil, "", "")
	if want := "the URL of the repository has no scheme; use ssh://git@github.com/org/fleet.git"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %q", err, want)
	}
}

// The file of known hosts means the same to the command as to the controller.
func TestNewKeyReadsKnownHosts(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	for name, tt := range map[string]struct{ text, says string }{
		"the host":                      {"git.example.com " + key, ""},
		"an authority of another host":  {"@cert-authority *.example.org " + key + "git.example.com " + key, ""},
		"an authority of the host":      {"@cert-authority *.example.com " + key, "line 1 names a certificate authority"},
		"another host":                  {"example.com " + key, "has no line for git.example.com:22"},
		"only a comment":                {"# none\n", "has no line for git.example.com:22"},
		"no file of known hosts at all": {"hunter2", "line 1 is not HOSTS TYPE KEY"},
	} {
		file := filepath.Join(t.TempDir(), "known_hosts")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewKey("ssh://git@git.example.com/fleet.git", pem.EncodeToMemory(block), "", file)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the file is quoted: %v", name, err)
		}
	}
}
