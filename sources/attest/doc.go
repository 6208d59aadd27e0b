// Package attest makes and reads attestations: statements in the format of in-toto that say which stages of a pipeline
// have verified a chart, signed in a Sigstore bundle as cosign does.
//
//	Promotion ── Sign ──► bundle ──► referrer of the chart ──► verify.Policy.Statements ── Claim.Check ──► stage
//
// A scenario: staging verifies shop 1.4.2, and the stage prod copies it to another registry. The controller signs a
// statement that names the pipeline, the stages that verified it and their HelmReleases. In the far cluster, which sees
// nothing of staging, an OCIRepository takes only charts with such a statement by that key.
package attest
