package install

import "testing"

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
