// Command sopsfiles writes files that the library of SOPS has encrypted, each with what SOPS prints when it decrypts
// it, as lines of JSON. Their content is random, from a seed. The tests of helmops/kustomize/sops read one such
// output, which is committed:
//
//	cd test/tools/sopsfiles
//	go run . -seed 11 -key $DECRYPTION/testdata/key.agekey > $DECRYPTION/testdata/generated.jsonl
//
// It is a module of its own, because the library links the SDKs of every cloud.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/cmd/sops/common"
	"github.com/getsops/sops/v3/config"
	sopsjson "github.com/getsops/sops/v3/stores/json"
)

// Case is one line of the output.
type Case struct {
	// Name is the name of the file, which decides the store.
	Name string `json:"name"`
	// Encrypted is the file, Plain what SOPS prints for it.
	Encrypted []byte `json:"encrypted"`
	Plain     []byte `json:"plain"`
	// Objects are the documents of a YAML file as JSON, empty when JSON cannot have a value of them.
	Objects []json.RawMessage `json:"objects,omitempty"`
}

func main() {
	log.SetFlags(0)
	seed := flag.Uint64("seed", 1, "seed of the content")
	count := flag.Int("count", 24, "how many files of each store")
	key := flag.String("key", "", "file with the age identity to encrypt for")
	flag.Parse()
	if err := run(*seed, *count, *key); err != nil {
		log.Fatal(err)
	}
}

func run(seed uint64, count int, keyFile string) error {
	recipient, err := recipientOf(keyFile)
	if err != nil {
		return err
	}

	out := json.NewEncoder(os.Stdout)
	for _, ext := range []string{"yaml", "json", "env", "ini", "txt"} {
		r := rand.New(rand.NewPCG(seed, uint64(ext[0])))
		for i, tries := 0, 0; i < count && tries < 20*count; tries++ {
			name := fmt.Sprintf("%d-%d.%s", seed, tries, ext)
			c, err := generate(&generator{Rand: r}, name, ext, recipient)
			if err != nil {
				continue // SOPS itself cannot write it, or cannot read what it wrote
			}
			if err := out.Encode(c); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

func recipientOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()

	identities, err := age.ParseIdentities(f)
	if err != nil {
		return "", err
	}
	identity, is := identities[0].(*age.X25519Identity)
	if !is {
		return "", fmt.Errorf("%s holds no X25519 identity", file)
	}
	return identity.Recipient().String(), nil
}

// generate encrypts a random tree and decrypts it again, as the command of SOPS does.
func generate(g *generator, name, ext, recipient string) (c Case, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("SOPS panics: %v", failure)
		}
	}()
	store := common.DefaultStoreForPath(config.NewStoresConfig(), name)
	tree := sops.Tree{Branches: g.branches(ext), Metadata: g.metadata(ext), FilePath: name}

	master, err := sopsage.MasterKeyFromRecipient(recipient)
	if err != nil {
		return c, err
	}
	tree.Metadata.KeyGroups = []sops.KeyGroup{{master}}
	dataKey, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		return c, errs[0]
	}

	mac, err := tree.Encrypt(dataKey, aes.NewCipher())
	if err != nil {
		return c, err
	}
	tree.Metadata.MessageAuthenticationCode, err = aes.NewCipher().Encrypt(mac, dataKey, modified.Format(time.RFC3339))
	if err != nil {
		return c, err
	}
	encrypted, err := store.EmitEncryptedFile(tree)
	if err != nil {
		return c, err
	}

	read, err := store.LoadEncryptedFile(encrypted)
	if err != nil {
		return c, err
	}
	computed, err := read.Decrypt(dataKey, aes.NewCipher())
	if err != nil {
		return c, err
	}
	if computed != mac {
		return c, fmt.Errorf("the MAC of %s does not match", name)
	}
	plain, err := store.EmitPlainFile(read.Branches)
	if err != nil {
		return c, err
	}
	return Case{Name: name, Encrypted: encrypted, Plain: plain, Objects: objects(ext, read.Branches)}, nil
}

// objects writes every document that is not empty as JSON.
func objects(ext string, branches sops.TreeBranches) []json.RawMessage {
	if ext != "yaml" && ext != "json" {
		return nil
	}
	var out []json.RawMessage
	for _, branch := range branches {
		if !valid(branch) {
			return nil
		}
		text, err := sopsjson.NewStore(&config.JSONStoreConfig{}).EmitPlainFile(sops.TreeBranches{branch})
		if err != nil {
			return nil
		}
		if string(text) != "{}\n" {
			out = append(out, text)
		}
	}
	return out
}
