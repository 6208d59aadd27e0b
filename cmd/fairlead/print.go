package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"fairlead.dev/fairlead/api/v1beta1"
)

// age is how long ago it was, the way kubectl prints it.
func (a *app) age(t *metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(max(0, a.now().Sub(t.Time)))
}

// chartText is name-version, empty without a chart.
func chartText(c *v1beta1.ChartRevision) string {
	if c == nil {
		return ""
	}
	return c.Name + "-" + c.Version
}

func digestText(c *v1beta1.ChartRevision) string {
	if c == nil {
		return ""
	}
	return v1beta1.ShortDigest(c.Digest)
}

// revisionText shortens the hash at the end of an artifact's revision: main@sha1:4f3c…. A digest without a tag loses
// its @.
func revisionText(revision string) string {
	revision = strings.TrimPrefix(revision, "@")
	colon := strings.LastIndexByte(revision, ':')
	if colon < 0 || len(revision)-colon < 40 {
		return revision
	}
	return revision[:colon+1] + v1beta1.ShortDigest(revision[colon+1:])
}

// tableWidth is how wide a table may be, 0 for no bound: a wide table is as wide as its cells.
func (a *app) tableWidth(out *output) int {
	if out.wide() {
		return 0
	}
	return a.outWidth
}

var escapeSequence = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

var (
	// longHash is a hash with its algorithm, in full.
	longHash = regexp.MustCompile(`\b(sha1|sha256|sha512):([0-9a-f]{12})[0-9a-f]{28,}`)
	// failedLead is how the message of a failed action begins; the rest of a row says the same.
	failedLead = regexp.MustCompile(`^(install|upgrade|rollback|test|uninstall)( of \S+)?( to \S+ \S+)? failed: `)
	// notAppliedLead is how the message of a Kustomization begins that could not apply a revision.
	notAppliedLead = regexp.MustCompile(`^\S+ is not applied: `)
	// rangeLead is how the message begins that no version of a chart is in a range.
	rangeLead = regexp.MustCompile(`^chart \S+ "[^"]*" of \S+ \S+: `)
)

// shortHashes shortens the hashes in a sentence.
func shortHashes(text string) string { return longHash.ReplaceAllString(text, "$1:$2") }

// brief is a message for a table of a terminal, which has little room: the cause comes first, hashes are short, and what the
// other cells of the row say is left out. In a pipe and in a wide table the message is complete.
func (a *app) brief(message, namespace, name string, out *output) string {
	if a.tableWidth(out) == 0 {
		return message
	}

	message = oneLine(message)
	message = strings.TrimPrefix(message, namespace+"/"+name+" ")
	for _, lead := range []*regexp.Regexp{failedLead, notAppliedLead, rangeLead} {
		if rest := lead.ReplaceAllString(message, ""); rest != "" {
			message = rest
		}
	}

	return shortHashes(message)
}

// oneLine makes one line of text without control characters and what steers a terminal.
func oneLine(text string) string {
	text = escapeSequence.ReplaceAllString(text, "")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// orNone stands for an empty text.
func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// plural gives "1 object" or "3 objects".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
