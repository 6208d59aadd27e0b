package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getsops/sops/v3"
)

// modified is the time at which every file was encrypted.
var modified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// texts are texts that formats are known to change, or to break at.
var texts = []string{
	"NO", "on", "y", "n", "Yes", "~", "null", "true", "", "1e3", "0x1f",
	"0o17", "0b11", "1_000", "012", "1:30", "1.0", ".5", "+1", ".inf",
	"\tx", "\tx\ny", "x\n\ty\n", "a\nb", "a\nb\n", "\n", "\n\n", " x",
	"x ", " x\n y", "end\n\n", "a\r\nb", "\r", "\x00", "\x07", "\x1b[0m",
	"\u0085", "a\u0085b", "\u007f", "\ufeff", "a\ufeffb", "\u2028",
	"\u2029x", "😀", "ünï", "\ufffd", "\x80\xff", "ok\xc3", "\xef\xbf\xbf",
	"# no comment", "a # b", "- a", "a: b", "a:", "'", `"`, `'"`,
	"{{ .x }}", "{}", "[", "<html>&", "ENC[foo]", "=", "<<", "2026-01-02",
	"2026-01-02T03:04:05Z", "!!binary", "!x", "&x", "*x", "%", "@", "`",
	"|", ">", "?", "---", "...", "---\na: b\n", "a=b", `\n`, `a\nb`, `\`,
	"${account}", "${a:-b: c}", ";x", "$(x)", `"""`, "a `b` c",
	"9223372036854775808", "0", "-", "correct horse battery staple",
}

var keys = []string{
	"a", "b", "name", "password", "data", "on", "NO", "123", "1.5", "a b",
	"é", "x: y", "plain_unencrypted", "-", "~", "#", "key.with-dots",
	strings.Repeat("long", 40), strings.Repeat("longer", 250), "\u0085", "'", `"`, "a\nb",
}

type generator struct{ *rand.Rand }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) metadata(ext string) sops.Metadata {
	m := sops.Metadata{LastModified: modified, Version: "3.13.3"}
	switch g.IntN(5) {
	case 0:
		m.EncryptedRegex = "^(password|data|é|[0-9]+)$"
	case 1:
		m.UnencryptedRegex = "^(name|a|on)$"
	case 2:
		m.EncryptedSuffix = "d"
	default:
		m.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	m.MACOnlyEncrypted = ext != "txt" && g.IntN(4) == 0
	return m
}

// text makes a text: one that is known, several of them, or random bytes or characters.
func (g *generator) text() string {
	switch g.IntN(8) {
	case 0:
		return pick(g, texts) + pick(g, texts)
	case 1:
		var out strings.Builder
		for range g.IntN(12) {
			out.WriteRune(rune(g.IntN(0x250)))
		}
		return out.String()
	case 2:
		out := make([]byte, g.IntN(12))
		for i := range out {
			out[i] = byte(g.IntN(256))
		}
		return string(out)
	case 3:
		return strings.Repeat(pick(g, texts)+" ", g.IntN(40))
	default:
		return pick(g, texts)
	}
}

func (g *generator) scalar(ext string) any {
	switch g.IntN(10) {
	case 0:
		return pick(g, []int{0, -1, 7, 1234567890123, math.MaxInt64, math.MinInt64})
	case 1:
		floats := []float64{
			0.1, 1, -0.5, 1e21, 1e20, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 63, 1 << 64,
			math.Copysign(0, -1),
		}
		if ext == "yaml" && g.IntN(3) == 0 {
			floats = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
		}
		return pick(g, floats)
	case 2:
		return g.IntN(2) == 0
	case 3:
		if ext == "yaml" {
			return pick(g, []any{nil, modified, modified.Add(123456), modified.In(time.FixedZone("", 5400))})
		}
		return nil
	default:
		return g.text()
	}
}

func (g *generator) comment() sops.Comment {
	text := strings.ToValidUTF8(strings.ReplaceAll(g.text(), "\n", " "), "?")
	return sops.Comment{Value: " " + text, Inline: g.IntN(3) == 0}
}

func (g *generator) value(ext string, depth int) any {
	if depth < 4 {
		switch g.IntN(6) {
		case 0:
			return g.branch(ext, depth+1)
		case 1:
			var list []any
			for range g.IntN(4) {
				if ext == "yaml" && g.IntN(5) == 0 {
					list = append(list, g.comment())
				}
				list = append(list, g.value(ext, depth+1))
			}
			return list
		}
	}
	return g.scalar(ext)
}

func (g *generator) branch(ext string, depth int) sops.TreeBranch {
	out := sops.TreeBranch{}
	seen := map[string]bool{}
	for range g.IntN(5) + 1 {
		key := pick(g, keys)
		if seen[key] {
			continue
		}
		seen[key] = true
		if ext == "yaml" && g.IntN(6) == 0 {
			out = append(out, sops.TreeItem{Key: g.comment()})
		}
		out = append(out, sops.TreeItem{Key: key, Value: g.value(ext, depth)})
	}
	return out
}

// flat makes names and texts.
func (g *generator) flat() sops.TreeBranch {
	out := sops.TreeBranch{}
	for i := range g.IntN(5) + 1 {
		if g.IntN(5) == 0 {
			out = append(out, sops.TreeItem{Key: sops.Comment{Value: strings.ReplaceAll(g.text(), "\n", " ")}})
		}
		name := strings.NewReplacer("\n", "", "\r", "").Replace(pick(g, keys))
		out = append(out, sops.TreeItem{Key: fmt.Sprintf("%s%d", name, i), Value: g.text()})
	}
	return out
}

func (g *generator) branches(ext string) sops.TreeBranches {
	switch ext {
	case "txt":
		return sops.TreeBranches{{{Key: "data", Value: strings.Repeat(g.text(), g.IntN(4)) + g.text()}}}
	case "env":
		return sops.TreeBranches{g.flat()}
	case "ini":
		branch := sops.TreeBranch{{Key: "DEFAULT", Value: g.flat()}}
		for i := range g.IntN(3) {
			branch = append(branch, sops.TreeItem{Key: fmt.Sprintf("section %d", i), Value: g.flat()})
		}
		return sops.TreeBranches{branch}
	case "yaml":
		out := sops.TreeBranches{g.branch(ext, 0)}
		for range max(g.IntN(5)-2, 0) {
			out = append(out, g.branch(ext, 0))
		}
		return out
	default:
		return sops.TreeBranches{g.branch(ext, 0)}
	}
}

// valid reports whether every text is UTF-8, so that JSON can have it.
func valid(value any) bool {
	switch value := value.(type) {
	case string:
		return utf8.ValidString(value)
	case sops.TreeBranch:
		for _, item := range value {
			if !valid(item.Key) || !valid(item.Value) {
				return false
			}
		}
	case []any:
		for _, item := range value {
			if !valid(item) {
				return false
			}
		}
	}
	return true
}
