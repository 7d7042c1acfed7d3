// Reads `A<tab>B` and prints [canonical, canonical, order, extra, extra], null
// for what is no version. `go`: golang.org/x/mod, extra whether it is a
// pseudo-version. `helm`: Masterminds semver, extra whether it is strict.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	masterminds "github.com/Masterminds/semver"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func ofGo(a, b string) []any {
	canonical := func(text string) any {
		if !semver.IsValid(text) {
			return nil
		}
		return module.CanonicalVersion(text)
	}
	return []any{canonical(a), canonical(b), semver.Compare(a, b),
		module.IsPseudoVersion(a), module.IsPseudoVersion(b)}
}

func ofHelm(a, b string) []any {
	canonical := func(text string) any {
		version, err := masterminds.NewVersion(text)
		if err != nil {
			return nil
		}
		return version.String()
	}
	strict := func(text string) bool {
		_, err := masterminds.StrictNewVersion(text)
		return err == nil
	}
	answer := []any{canonical(a), canonical(b), nil, strict(a), strict(b)}
	if answer[0] != nil && answer[1] != nil {
		answer[2] = masterminds.MustParse(a).Compare(masterminds.MustParse(b))
	}
	return answer
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		a, b, _ := strings.Cut(lines.Text(), "\t")
		answer := ofGo(a, b)
		if os.Args[1] == "helm" {
			answer = ofHelm(a, b)
		}
		text, _ := json.Marshal(answer)
		fmt.Println(string(text))
	}
}
