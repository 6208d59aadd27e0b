// Package quota shares what a controller has a bounded amount of, such as memory, between namespaces. Each budget has a
// total and a share that one namespace may take. What is over makes room by what the same namespace has used longest
// ago, so a namespace that asks for much gets slower itself and leaves others what they have.
package quota

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Bounds of a budget, in bytes.
type Bounds struct {
	// Total is what all namespaces may take together.
	Total int64
	// Share is what one namespace may take.
	Share int64
}

// Memory that the controller spends on what sources send, beside a fixed part. The numbers belong together: a namespace
// that takes all of its shares keeps 448 MiB; with GOGC=50 the heap then stays below 700 MiB, and the Pod below its
// limit of 1 GiB.
var (
	// Trees bounds the unpacked files that Kustomizations are built from.
	Trees = Bounds{Total: 256 << 20, Share: 128 << 20}
	// Indexes bounds the parsed indexes of HelmRepositories.
	Indexes = Bounds{Total: 128 << 20, Share: 64 << 20}
	// Packs bounds what is received from Git servers and not yet written to the artifact cache.
	Packs = Bounds{Total: 384 << 20, Share: 256 << 20}
)

// PacksEach is how many Git repositories of one namespace are fetched at a time. Others wait.
const PacksEach = 4

// Exceeded is an error with reason BudgetExceeded: it names the bound, what was asked for, and that another attempt
// follows.
func Exceeded(what, namespace string, asked int64, b Bounds) *sources.Error {
	return sources.Fail(v1beta1.BudgetExceededReason, nil,
		"%s of namespace %s would need %s more, but one namespace may use %s of %s; it is tried again with back-off",
		what, namespace, Size(asked), Size(b.Share), Size(b.Total))
}

// Size writes a number of bytes for people.
func Size(bytes int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes >= gib:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gib)
	case bytes >= mib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	case bytes >= kib:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
	}

	return fmt.Sprintf("%d bytes", bytes)
}
