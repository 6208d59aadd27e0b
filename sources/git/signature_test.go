package git

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"golang.org/x/crypto/ssh"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

// signer signs as git has it done.
type signer interface {
	sign(t *testing.T, payload string) string
	public(t *testing.T) (name string, key []byte)
}

type pgpSigner struct{ entity *openpgp.Entity }

func newPGP(t *testing.T) pgpSigner {
	t.Helper()
	entity, err := openpgp.NewEntity("tester", "", "tester@example.com", nil)
	must(t, err)
	return pgpSigner{entity}
}

func (s pgpSigner) sign(t *testing.T, payload string) string {
	t.Helper()
	var out bytes.Buffer
	must(t, openpgp.ArmoredDetachSign(&out, s.entity, strings.NewReader(payload), nil))
	return out.String() + "\n"
}

func (s pgpSigner) public(t *testing.T) (string, []byte) {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	must(t, err)
	must(t, s.entity.Serialize(w))
	must(t, w.Close())
	return "author.asc", out.Bytes()
}

// sshMagic and sshSignature are the format of OpenSSH (PROTOCOL.sshsig), written without the library that reads it.
const sshMagic = "SSHSIG"

type sshSignature struct {
	Version       uint32
	PublicKey     []byte
	Namespace     string
	Reserved      string
	HashAlgorithm string
	Signature     []byte
}

type sshSigner struct {
	key       ssh.Signer
	namespace string
}

func newSSH(t *testing.T, namespace string) sshSigner {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	key, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return sshSigner{key, namespace}
}

func (s sshSigner) sign(t *testing.T, payload string) string {
	t.Helper()
	sum := sha512.Sum512([]byte(payload))
	head := struct{ Namespace, Reserved, HashAlgorithm string }{s.namespace, "", "sha512"}
	signature, err := s.key.Sign(rand.Reader,
		append([]byte(sshMagic), append(ssh.Marshal(head), ssh.Marshal(struct{ Hash []byte }{sum[:]})...)...))
	must(t, err)
	body := append([]byte(sshMagic), ssh.Marshal(sshSignature{
		Version: 1, PublicKey: s.key.PublicKey().Marshal(), Namespace: s.namespace, HashAlgorithm: "sha512",
		Signature: ssh.Marshal(signature),
	})...)
	return string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: body}))
}

func (s sshSigner) public(*testing.T) (string, []byte) {
	return "author.sshpub", ssh.MarshalAuthorizedKey(s.key.PublicKey())
}

// signCommit makes the newest commit of main a signed one.
func signCommit(t *testing.T, server *servers.Git, sha string, by signer) string {
	t.Helper()
	payload, err := server.Object(repository, "commit", sha)
	must(t, err)
	head, message, _ := strings.Cut(payload, "\n\n")
	signature := strings.ReplaceAll(strings.TrimSpace(by.sign(t, payload)), "\n", "\n ")
	signed, err := server.WriteObject(repository, "commit", head+"\ngpgsig "+signature+"\n\n"+message)
	must(t, err)
	must(t, server.SetRef(repository, "refs/heads/main", signed))
	return signed
}

// signTag names a commit by a signed tag.
func signTag(t *testing.T, server *servers.Git, name, sha string, by signer) {
	t.Helper()
	payload := "object " + sha + "\ntype commit\ntag " + name +
		"\ntagger upstream <upstream@example.com> 1704067200 +0000\n\na release\n"
	signed, err := server.WriteObject(repository, "tag", payload+by.sign(t, payload))
	must(t, err)
	must(t, server.SetRef(repository, "refs/tags/"+name, signed))
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	pgp, ssh, stranger := newPGP(t), newSSH(t, "git"), newSSH(t, "git")
	for _, tt := range []struct {
		name        string
		commit, tag signer
		trusted     []signer
		ref         Ref
		want        Verification
		signed      string // the signer that is reported, "" for a failure
		says        string
	}{
		{"a commit by PGP", pgp, nil, []signer{pgp}, Ref{Branch: "main"}, Verification{Commit: true}, "by PGP key", ""},
		{
			"a commit by SSH", ssh, nil, []signer{ssh}, Ref{Branch: "main"}, Verification{Commit: true}, "by SSH key SHA256:",
			"",
		},
		{
			"a tag by PGP", nil, pgp, []signer{pgp, ssh}, Ref{Tag: "v1.0.0"}, Verification{Tag: true}, "tag v1.0.0 by PGP key",
			"",
		},
		{
			"a tag by SSH, chosen from a range", nil, ssh, []signer{pgp, ssh}, Ref{SemVer: "*"}, Verification{Tag: true},
			"tag v1.0.0 by SSH key", "",
		},
		{
			"both", ssh, pgp, []signer{pgp, ssh}, Ref{Tag: "v1.0.0"}, Verification{Commit: true, Tag: true},
			"author.sshpub, tag v1.0.0 by PGP", "",
		},
		{
			"a commit that is not signed", nil, nil, []signer{pgp, ssh}, Ref{Branch: "main"}, Verification{Commit: true}, "",
			"is not signed",
		},
		{
			"a tag that is not signed", pgp, nil, []signer{pgp}, Ref{Tag: "light"}, Verification{Tag: true}, "",
			"is no annotated tag",
		},
		{
			"a signed commit of a tag that is not", pgp, nil, []signer{pgp}, Ref{Tag: "light"},
			Verification{Commit: true, Tag: true}, "", "is no annotated tag",
		},
		{
			"a branch instead of a tag", pgp, nil, []signer{pgp}, Ref{Branch: "main"}, Verification{Tag: true}, "",
			`"main" is no tag`,
		},
		{
			"a stranger by SSH", stranger, nil, []signer{pgp, ssh}, Ref{Branch: "main"}, Verification{Commit: true}, "",
			"which is none of the trusted ones (author.sshpub)",
		},
		{
			"a stranger by PGP", newPGP(t), nil, []signer{pgp}, Ref{Branch: "main"}, Verification{Commit: true}, "",
			"by none of the trusted keys (author.asc)",
		},
		{
			"SSH where PGP is trusted", ssh, nil, []signer{pgp}, Ref{Branch: "main"}, Verification{Commit: true}, "",
			"none of that kind",
		},
		{
			"a signature for something else", newSSH(t, "file"), nil, []signer{ssh}, Ref{Branch: "main"},
			Verification{Commit: true}, "", `was made for "file" and not for git`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, servers.Options{})
			sha := commit(t, server, "main", map[string]string{"a.txt": "one"})
			if tt.commit != nil {
				sha = signCommit(t, server, sha, tt.commit)
			}
			must(t, server.SetRef(repository, "refs/tags/light", sha))
			if tt.tag != nil {
				signTag(t, server, "v1.0.0", sha, tt.tag)
			}
			keys := map[string][]byte{"README": []byte("left out")}
			for _, s := range tt.trusted {
				name, key := s.public(t)
				keys[name] = key
			}
			var err error
			tt.want.Keys, err = ReadTrustedKeys(keys)
			must(t, err)
			r := open(t, server, func(o *Options) { o.Verify = &tt.want })
			rev, err := r.Resolve(t.Context(), tt.ref)
			must(t, err)
			var out bytes.Buffer
			signed, err := r.Fetch(t.Context(), rev, &out)
			if tt.signed == "" {
				check.Failure(t, err, v1beta1.VerificationFailedReason, tt.says)
				if out.Len() > 0 {
					t.Error("something was written before it was verified")
				}
				return
			}
			must(t, err)
			if !strings.Contains(signed, tt.signed) {
				t.Errorf("signed %q, want %q in it", signed, tt.signed)
			}
		})
	}
}

// A commit whose content was changed after it was signed.
func TestAChangedCommitIsNotVerified(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	by := newPGP(t)
	sha := signCommit(t, server, commit(t, server, "main", map[string]string{"a.txt": "one"}), by)
	raw, err := server.Object(repository, "commit", sha)
	must(t, err)
	forged, err := server.WriteObject(repository, "commit", strings.Replace(raw, "\n\nchange", "\n\nanother message", 1))
	must(t, err)
	must(t, server.SetRef(repository, "refs/heads/main", forged))
	name, key := by.public(t)
	keys, err := ReadTrustedKeys(map[string][]byte{name: key})
	must(t, err)
	r := open(t, server, func(o *Options) { o.Verify = &Verification{Commit: true, Keys: keys} })
	_, err = r.Fetch(t.Context(), Revision{"main", forged}, io.Discard)
	check.Failure(t, err, v1beta1.VerificationFailedReason, "or the signature does not fit")
}

// What ssh-keygen signs is understood.
func TestSignaturesOfOpenSSH(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		must(t, err)
		return content
	}
	keys, err := ReadTrustedKeys(map[string][]byte{"signer.sshpub": read("signer.sshpub")})
	must(t, err)
	if by, err := keys.signer(read("signed.txt"), string(read("signed.txt.sig"))); err != nil ||
		!strings.Contains(by, "signer.sshpub") {
		t.Errorf("%q, %v", by, err)
	}
	if _, err := keys.signer([]byte("another payload\n"), string(read("signed.txt.sig"))); err == nil ||
		!strings.Contains(err.Error(), "does not fit") {
		t.Errorf("another payload: %v", err)
	}
	if _, err := keys.signer(read("signed.txt"), string(read("other-namespace.sig"))); err == nil ||
		!strings.Contains(err.Error(), "not for git") {
		t.Errorf("another namespace: %v", err)
	}
	twice := string(read("signed.txt.sig")) + string(read("signed.txt.sig"))
	if _, err := keys.signer(read("signed.txt"), twice); err == nil ||
		!strings.Contains(err.Error(), "more than one signature") {
		t.Errorf("two signatures: %v", err)
	}
}

// Signatures of OpenSSH's format that must not count.
func TestSSHSignaturesThatAreRefused(t *testing.T) {
	t.Parallel()
	const payload = "a commit"
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	signed := func(version uint32, hash, algorithm, reserved string) string {
		sum := sha512.Sum512([]byte(payload))
		head := struct{ Namespace, Reserved, HashAlgorithm string }{"git", reserved, hash}
		message := append([]byte(sshMagic), append(ssh.Marshal(head), ssh.Marshal(struct{ Hash []byte }{sum[:]})...)...)
		signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, message, algorithm)
		must(t, err)
		body := append([]byte(sshMagic), ssh.Marshal(sshSignature{
			Version: version, PublicKey: signer.PublicKey().Marshal(), Namespace: "git", Reserved: reserved, HashAlgorithm: hash,
			Signature: ssh.Marshal(signature),
		})...)
		return string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: body}))
	}
	keys, err := ReadTrustedKeys(map[string][]byte{"a.sshpub": ssh.MarshalAuthorizedKey(signer.PublicKey())})
	must(t, err)
	if by, err := keys.signer([]byte(payload), signed(1, "sha512", ssh.KeyAlgoRSASHA256, "")); err != nil ||
		!strings.Contains(by, "a.sshpub") {
		t.Fatalf("a signature that is right: %q, %v", by, err)
	}
	for name, tt := range map[string]struct{ signature, says string }{
		"over SHA-1":       {signed(1, "sha512", ssh.KeyAlgoRSA, ""), "over SHA-1"},
		"another hash":     {signed(1, "md5", ssh.KeyAlgoRSASHA256, ""), "a hash that is not accepted"},
		"another version":  {signed(2, "sha512", ssh.KeyAlgoRSASHA256, ""), "cannot be read"},
		"text behind it":   {signed(1, "sha512", ssh.KeyAlgoRSASHA256, "") + "more", "cannot be read"},
		"another hash sum": {signed(1, "sha256", ssh.KeyAlgoRSASHA256, ""), "does not fit"},
		"no signature":     {"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----", "cannot be read"},
	} {
		if _, err := keys.signer([]byte(payload), tt.signature); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.says)
		}
	}
}

func TestKeysThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data map[string][]byte
		says string
	}{
		{"none", map[string][]byte{"key": []byte("x")}, "names of keys of PGP end in .asc"},
		{"no PGP key", map[string][]byte{"a.asc": []byte("hunter2")}, `"a.asc" of the Secret holds no public keys of PGP`},
		{"no SSH key", map[string][]byte{"a.sshpub": []byte("# x\nhunter2")}, "line 2 is not TYPE KEY"},
		{"an empty file", map[string][]byte{"a.sshpub": []byte("# x\n")}, "no line with a key"},
	} {
		_, err := ReadTrustedKeys(tt.data)
		if e := check.Failure(t, err, v1beta1.VerificationFailedReason, tt.says); e.Retryable() ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzSSHSignature(f *testing.F) {
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----")
	content, err := os.ReadFile(filepath.Join("testdata", "signed.txt.sig"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(content))
	f.Fuzz(func(_ *testing.T, text string) {
		keys := TrustedKeys{}
		_, _ = keys.signer([]byte("payload"), text)
	})
}
