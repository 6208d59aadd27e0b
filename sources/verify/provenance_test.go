package verify

import (
	"bytes"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// chartArchive is a chart, with its provenance file.
func chartArchive(t *testing.T, by *servers.Packager, name, version string) (Packaged, []byte) {
	t.Helper()
	archive, err := servers.BuildChart(map[string]string{
		"Chart.yaml":       "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n",
		"templates/a.yaml": "kind: A\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := by.Sign(archive)
	if err != nil {
		t.Fatal(err)
	}
	return Packaged{Name: name, Version: version, Digest: digestOf(archive)}, file
}

func packager(t *testing.T) *servers.Packager {
	t.Helper()
	p, err := servers.NewPackager()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A provenance file counts for the archive that it is about, and when a trusted key has signed it.
func TestProvenance(t *testing.T) {
	team, stranger := packager(t), packager(t)
	chart, file := chartArchive(t, team, "web", "1.0.0")
	_, foreign := chartArchive(t, stranger, "web", "1.0.0")
	other, otherFile := chartArchive(t, team, "web", "1.1.0")
	for name, keys := range map[string]map[string][]byte{
		"armored":       {"team.asc": team.Armored, "password": []byte("hidden")},
		"binary":        {"team.gpg": team.Binary},
		"among several": {"stranger.asc": stranger.Armored, "team.gpg": team.Binary},
	} {
		ring, err := ReadKeyring(keys)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if by, err := ring.Check(chart, file); err != nil || !strings.Contains(by, " of team.") {
			t.Errorf("%s: signed by %q: %v", name, by, err)
		}
	}
	ring, err := ReadKeyring(map[string][]byte{"team.asc": team.Armored})
	if err != nil {
		t.Fatal(err)
	}
	renamed := chart
	renamed.Name = "else"
	changed := chart
	changed.Digest = other.Digest
	for says, c := range map[string]struct {
		chart Packaged
		file  []byte
	}{
		"none of the keys team.asc": {chart, foreign},
		"no text signed with PGP":   {chart, []byte("files: {}\n")},
		`about chart "web" "1.1.0"`: {chart, otherFile},
		`about chart "web" "1.0.0"`: {renamed, file},
		"about other bytes than ":   {changed, file},
		"the signature does not fit": {chart,
			bytes.Replace(file, []byte("version: 1.0.0"), []byte("version: 1.0.1"), 1)},
		"more than 1048576 bytes":          {chart, append(bytes.Repeat([]byte(" "), MaxProvenance), file...)},
		"no text signed with PGP or empty": {},
	} {
		says, _, _ = strings.Cut(says, " or empty")
		by, err := ring.Check(c.chart, c.file)
		if by != "" || err == nil || !strings.Contains(err.Error(), says) ||
			sources.Reason(err) != v1beta1.VerificationFailedReason {
			t.Errorf("want %q: by %q, %v", says, by, err)
		}
	}
}

func TestKeyringsThatCannotBeRead(t *testing.T) {
	for says, data := range map[string]map[string][]byte{
		"no public key of PGP":   {"team.pub": []byte("x")},
		`the key "a.asc" of the`: {"a.asc": []byte("hidden")},
		`the key "a.gpg" of the`: {"a.gpg": nil},
	} {
		if _, err := ReadKeyring(data); err == nil || !strings.Contains(err.Error(), says) ||
			strings.Contains(err.Error(), "hidden") {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

func FuzzProvenance(f *testing.F) {
	team, err := servers.NewPackager()
	if err != nil {
		f.Fatal(err)
	}
	ring, err := ReadKeyring(map[string][]byte{"team.asc": team.Armored})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: web\n...\nfiles: {}\n-----BEGIN PGP SIGNATURE-----\n\naGlkZGVu\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if by, err := ring.Check(Packaged{Name: "web", Version: "1.0.0"}, file); err == nil {
			t.Errorf("signed by %s", by)
		}
	})
}
