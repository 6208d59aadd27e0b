// Package pipeline reconciles ReleasePipelines: it gathers what the subject, the HelmReleases, the approvals and the
// freezes say, has helmops/promotion decide, and points the OCIRepository of each stage to the digest that was decided.
//
//	subject ─► candidates ───┐
//	HelmReleases ─► verdicts ┼─► Decide ─► status ─► OCIRepository PIPELINE-STAGE
//	approvals, freezes ──────┘               └─────► Promotion
//
// The status is written before anything is done, and each reconcile first brings the cluster to what the status says.
// So a controller that stops in between does the rest when it starts again. A HelmRelease is never written to: its
// chartRef names the OCIRepository of its stage.
package pipeline
