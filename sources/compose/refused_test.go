package compose

import (
	"errors"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

func TestCopyOperationsThatFail(t *testing.T) {
	t.Parallel()
	archives := sourcesOf(t)
	archives["hostile"] = packed(t, map[string]string{"../../escape": "out"})
	archives["loop"] = packed(t, map[string]string{"a": "-> b", "b": "-> a", "d/self": "-> ../d", "d/f": "f"})
	archives["escapes"] = packed(t, map[string]string{
		"bad.tgz": string(packed(t, map[string]string{"../x": "out"})),
	})
	archives["garbage"] = []byte("no archive")
	small := Limits{Bytes: 20, Files: 3}
	for _, tt := range []struct {
		name    string
		copies  []v1beta1.CopyOperation
		limits  Limits
		reason  string
		stalled bool
		message string
	}{
		{
			name: "no such alias", copies: []v1beta1.CopyOperation{op("@none/x", "@artifact/")},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "no source with the alias none",
		},
		{
			name: "no such file", copies: []v1beta1.CopyOperation{op("@repo/none.yaml", "@artifact/")},
			reason: v1beta1.NotFoundReason, message: "no file of the source @repo is there",
		},
		{
			name: "no match", copies: []v1beta1.CopyOperation{op("@repo/none/**", "@artifact/")},
			reason: v1beta1.NotFoundReason, message: "no file of the source @repo is there",
		},
		{
			name: "all is excluded", copies: []v1beta1.CopyOperation{op("@repo/deploy/*.md", "@artifact/", without("*.md"))},
			reason: v1beta1.NotFoundReason, message: "excluded",
		},
		{
			name:   "nothing is copied",
			copies: []v1beta1.CopyOperation{op("@repo/README.md", "@artifact/", without("*.md"))},
			reason: v1beta1.NotFoundReason, message: "the operations copy no file",
		},
		{
			name: "the path leads out of the source", copies: []v1beta1.CopyOperation{op("@repo/../x", "@artifact/")},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "inside of it",
		},
		{
			name: "the path leads out of the artifact", copies: []v1beta1.CopyOperation{op("@repo/README.md", "@artifact/../x")},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "inside of it",
		},
		{
			name: "an absolute path", copies: []v1beta1.CopyOperation{op("@repo//etc/passwd", "@artifact/")},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "relative",
		},
		{
			name: "no pattern", copies: []v1beta1.CopyOperation{op("@repo/[", "@artifact/")},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "is not a pattern",
		},
		{
			name:   "braces without end",
			copies: []v1beta1.CopyOperation{op("@repo/**", "@artifact/", without(strings.Repeat("{a,b}", 10)))},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "braces",
		},
		{
			name: "a file below a file",
			copies: []v1beta1.CopyOperation{
				op("@repo/README.md", "@artifact/a"), op("@repo/README.md", "@artifact/a/b"),
			},
			reason: v1beta1.InvalidContentReason, message: "cannot be a directory",
		},
		{
			name: "a file in place of a directory",
			copies: []v1beta1.CopyOperation{
				op("@repo/README.md", "@artifact/deploy/app.yaml/x"), op("@repo/deploy/", "@artifact/"),
			},
			reason: v1beta1.InvalidContentReason, message: "a file cannot replace",
		},
		{
			name: "what is merged is no YAML object",
			copies: []v1beta1.CopyOperation{
				op("@repo/values.yaml", "@artifact/v"), op("@other/text.txt", "@artifact/v", merging),
			},
			reason: v1beta1.InvalidContentReason, message: "it is not a YAML object",
		},
		{
			name: "a link that leads out", copies: []v1beta1.CopyOperation{op("@repo/**", "@artifact/")},
			reason: v1beta1.InvalidContentReason, message: "leads out of the archive",
		},
		{
			name: "links that lead to themselves", copies: []v1beta1.CopyOperation{op("@loop/**", "@artifact/")},
			reason: v1beta1.InvalidContentReason, message: "back to themselves",
		},
		{
			name: "an entry that leads out", copies: []v1beta1.CopyOperation{op("@hostile/**", "@artifact/")},
			reason: v1beta1.InvalidContentReason, message: "impossible name",
		},
		{
			name:   "an entry of a tar.gz that leads out",
			copies: []v1beta1.CopyOperation{op("@escapes/bad.tgz", "@artifact/", extracting)},
			reason: v1beta1.InvalidContentReason, message: "impossible name",
		},
		{
			name: "no archive", copies: []v1beta1.CopyOperation{op("@garbage/**", "@artifact/")},
			reason: v1beta1.InvalidContentReason, message: "reading the archive of the source @garbage",
		},
		{
			name: "a tar.gz that is none", copies: []v1beta1.CopyOperation{op("@other/broken.tar.gz", "@artifact/", extracting)},
			reason: v1beta1.InvalidContentReason, message: "unpacking it",
		},
		{
			name: "a file that is no tar.gz", copies: []v1beta1.CopyOperation{op("@other/app.yaml", "@artifact/", extracting)},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "named .tar.gz or .tgz",
		},
		{
			name: "a directory is no tar.gz", copies: []v1beta1.CopyOperation{op("@other/nested", "@artifact/", extracting)},
			reason: v1beta1.InvalidReferenceReason, stalled: true, message: "this is a directory",
		},
		{
			name: "too large", copies: []v1beta1.CopyOperation{op("@repo/deploy/**", "@artifact/")}, limits: small,
			reason: v1beta1.InvalidContentReason, message: "more than the 20 bytes",
		},
		{
			name: "too many files", copies: []v1beta1.CopyOperation{op("@repo/deploy/**", "@artifact/")},
			limits: Limits{Files: 3}, reason: v1beta1.InvalidContentReason, message: "more than the 3 files",
		},
		{
			name:   "sources with too many files together",
			copies: []v1beta1.CopyOperation{op("@repo/README.md", "@artifact/"), op("@other/app.yaml", "@artifact/")},
			limits: Limits{Together: 12}, reason: v1beta1.InvalidContentReason, message: "more than the 12 files together",
		},
		{
			name: "a source with too many entries", copies: []v1beta1.CopyOperation{op("@repo/README.md", "@artifact/")},
			limits: Limits{Entries: 2}, reason: v1beta1.InvalidContentReason, message: "more than 2 entries",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := compose(t, archives, tt.limits, tt.copies...)
			var known *sources.Error
			if !errors.As(err, &known) {
				t.Fatalf("error %v", err)
			}
			if known.Reason() != tt.reason || known.Retryable() == tt.stalled {
				t.Errorf("reason %s, retryable %t: %v", known.Reason(), known.Retryable(), err)
			}
			if !strings.Contains(err.Error(), tt.message) {
				t.Errorf("error %q does not say %q", err, tt.message)
			}
			if strings.Contains(err.Error(), "no yaml: [") {
				t.Errorf("error %q quotes a file", err)
			}
		})
	}
}
