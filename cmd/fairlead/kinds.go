package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// kind is a kind of object as people write it.
type kind struct {
	// word is the name that messages and completion use.
	word string
	// aliases are accepted too.
	aliases []string
	// name is the kind of the API.
	name string
}

// kinds in the order in which they are listed.
var kinds = []kind{
	{"release", []string{"hr", "helmrelease"}, v1beta1.HelmReleaseKind},
	{"kustomization", []string{"ks"}, v1beta1.KustomizationKind},
	{"gitrepository", []string{"git", "gitrepo"}, v1beta1.GitRepositoryKind},
	{"helmrepository", []string{"helmrepo"}, v1beta1.HelmRepositoryKind},
	{"ocirepository", []string{"oci", "ocirepo"}, v1beta1.OCIRepositoryKind},
	{"bucket", []string{"s3"}, v1beta1.BucketKind},
	{"helmchart", []string{"hc"}, v1beta1.HelmChartKind},
}

// completionTimeout keeps a shell from hanging on a cluster that does not answer.
const completionTimeout = 3 * time.Second

// kindByWord finds the kind by its word or an alias, in any case.
func kindByWord(word string) (kind, bool) {
	word = strings.ToLower(word)
	for _, k := range kinds {
		if k.word == word || slices.Contains(k.aliases, word) {
			return k, true
		}
	}
	return kind{}, false
}

// kindByName finds the kind by its name in the API.
func kindByName(name string) (kind, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// resource is the kind as roles name it.
func (k kind) resource() string { return view.ResourceOf(k.name) }

// list is the noun of the command get that lists the kind.
func (k kind) list() string {
	switch k.name {
	case v1beta1.HelmReleaseKind:
		return "releases"
	case v1beta1.KustomizationKind:
		return "kustomizations"
	default:
		return "sources"
	}
}

// describe names an object of the kind in messages.
func (k kind) describe(key types.NamespacedName) string { return k.word + " " + key.String() }

// kindList is every kind with its aliases, for messages.
func kindList() string {
	texts := make([]string, 0, len(kinds))
	for _, k := range kinds {
		texts = append(texts, k.word+" ("+strings.Join(k.aliases, ", ")+")")
	}
	return strings.Join(texts, ", ")
}

// kindTable is every kind with its aliases, for help texts.
func kindTable() string {
	var b strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&b, "\n  %-15s or %s", k.word, strings.Join(k.aliases, ", "))
	}
	return b.String()
}

// kindAndName reads the arguments KIND NAME. Only the words in only are allowed, all when there are none.
func kindAndName(cmd *cobra.Command, args []string, only ...string) (kind, string, error) {
	if len(args) > 0 {
		k, known := kindByWord(args[0])
		switch {
		case !known:
			return k, "", usagef(cmd, "unknown kind %q; kinds: %s", args[0], kindList())
		case len(only) > 0 && !slices.Contains(only, k.word):
			return k, "", usagef(cmd, "%s works on %s, not on %s", cmd.Name(), strings.Join(only, ", "), k.word)
		}
		if len(args) == 2 && args[1] != "" {
			return k, args[1], nil
		}
	}
	return kind{}, "", usagef(cmd, "expected KIND and NAME, got %s", plural(len(args), "argument"))
}

// completeKindAndName completes the arguments KIND NAME; the names come from the cluster.
func (a *app) completeKindAndName(only ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return withPrefix(completableKinds(only), toComplete), cobra.ShellCompDirectiveNoFileComp
		case 1:
			k, known := kindByWord(args[0])
			if !known {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return withPrefix(a.names(cmd.Context(), k), toComplete), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func completableKinds(only []string) []string {
	if len(only) > 0 {
		return only
	}
	words := make([]string, 0, len(kinds))
	for _, k := range kinds {
		words = append(words, k.word)
	}
	return words
}

// names of the objects of the kind; none when the cluster cannot be asked, because a shell cannot show an error.
func (a *app) names(ctx context.Context, k kind) []string {
	c, err := a.open()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	names, err := view.NewReader(c.client).Names(ctx, k.name, c.namespace)
	if err != nil {
		return nil
	}
	return names
}

func withPrefix(words []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, prefix) })
}
