package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The token comes from a file, standard input or the environment, and a token on the command line is refused without being shown.
func TestBootstrapReadsTheToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenVariable, "from-the-environment")
	tests := map[string]struct {
		args         []string
		stdin        string
		token, fails string
	}{
		"environment":       {token: "from-the-environment"},
		"file":              {args: []string{"--token-file", file}, token: "from-the-file"},
		"standard input":    {args: []string{"--token-file", "-"}, stdin: "from-the-input\n", token: "from-the-input"},
		"two lines":         {args: []string{"--token-file", "-"}, stdin: "hunter2\nhunter3\n", fails: "one line"},
		"no file":           {args: []string{"--token-file", file + "x"}, fails: "--token-file: "},
		"a value of a flag": {args: []string{"--token", "hunter2"}, fails: "use --token-file FILE"},
	}
	for name, tt := range tests {
		a := &app{environment: environment{in: strings.NewReader(tt.stdin)}}
		f := &bootstrapFlags{}
		cmd := newBootstrapGitCommand(a)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		f.tokenFile = cmd.Flags().Lookup("token-file").Value.String()
		err := f.readToken(a, cmd)
		switch {
		case tt.fails == "" && (err != nil || f.repository.Token != tt.token):
			t.Errorf("%s: token %q, error %v", name, f.repository.Token, err)
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "hunter")):
			t.Errorf("%s: error %v, which should say %q", name, err, tt.fails)
		}
	}
}
