// Package verify finds the signer of an artifact or a chart, from signatures that were fetched before. It makes no
// request.
package verify
