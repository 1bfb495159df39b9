package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mistake is one change of the source.
type mistake struct {
	id   int
	file string
	line int
	what string // the text before and after it, in words
}

func (m mistake) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what) }

// edit inserts text into a file, in the place of remove bytes.
type edit struct {
	offset int
	end    bool // closes what an earlier edit opened
	text   string
	remove int
}

// planter writes mistakes into a file.
type planter struct {
	fset     *token.FileSet
	file     *token.File
	source   []byte
	next     int
	left     func(line int, typed bool) bool // what does not compile there
	edits    []edit
	mistakes []mistake
}

// quiet are statements whose loss shows in logs, traces and metrics alone.
var quiet = regexp.MustCompile(`(?i)\b(slog|log(ger)?|span|metrics|telemetry)\b|\.(Debug|Info|Warn|Error)\(`)

// plantFile returns the source with all mistakes, numbered from first on.
func plantFile(path string, source []byte, first int, left func(line int, typed bool) bool) ([]byte, []mistake, error) {
	p := &planter{fset: token.NewFileSet(), source: source, next: first, left: left}
	parsed, err := parser.ParseFile(p.fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	p.file = p.fset.File(parsed.Pos())
	for _, d := range parsed.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
			ast.Inspect(d.Body, p.visit)
		}
	}
	return p.apply(), p.mistakes, nil
}

// visit plants the mistakes of one node; those of its children come later, and so inside.
func (p *planter) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.ArrayType, *ast.StructType:
		return false
	case *ast.BlockStmt:
		p.statements(n.List)
	case *ast.CaseClause:
		p.statements(n.Body)
	case *ast.CommClause:
		p.statements(n.Body)
	case *ast.IfStmt:
		p.condition(n.Cond)
	case *ast.ForStmt:
		p.condition(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					p.condition(e)
				}
			}
		}
	case *ast.BinaryExpr:
		p.binary(n)
	}
	return true
}

var typed = map[token.Token]struct{ call, what string }{
	token.LSS: {"mutationLess", "<"}, token.LEQ: {"mutationAtMost", "<="}, token.GTR: {"mutationMore", ">"}, token.GEQ: {"mutationAtLeast", ">="},
	token.ADD: {"mutationAdd", "+ becomes -"}, token.SUB: {"mutationSub", "- becomes +"},
	token.MUL: {"mutationMul", "* becomes /"}, token.QUO: {"mutationQuo", "/ becomes *"},
}

// binary exchanges an operator; a comparison may also be moved by one.
func (p *planter) binary(n *ast.BinaryExpr) {
	switch n.Op {
	case token.EQL, token.NEQ:
		p.flip(n)
		return
	case token.LAND, token.LOR:
		p.condition(n.X)
		p.condition(n.Y)
		return
	}
	operator, ok := typed[n.Op]
	if !ok || isText(n.X) || isText(n.Y) {
		return
	}
	for line := p.line(n.Pos()); line <= p.line(n.End()); line++ { // the compiler names any of them
		if p.left(line, true) {
			return
		}
	}
	id := p.next
	if strings.Contains(operator.what, "becomes") {
		p.add(n, operator.what)
	} else {
		p.add(n, operator.what+" moved by one")
		p.add(n, operator.what+" turned round")
	}
	p.insert(n.Pos(), false, fmt.Sprintf("%s(%d, ", operator.call, id))
	p.edits = append(p.edits, edit{offset: p.file.Offset(n.OpPos), text: ",", remove: len(n.Op.String())})
	p.insert(n.End(), true, ")")
}

func isText(e ast.Expr) bool {
	literal, ok := e.(*ast.BasicLit)
	return ok && literal.Kind == token.STRING
}

// condition turns round what is no comparison; those are turned round where they are met.
func (p *planter) condition(e ast.Expr) {
	switch e := e.(type) {
	case nil, *ast.BinaryExpr, *ast.ParenExpr:
	default:
		p.flip(e)
	}
}

func (p *planter) flip(e ast.Expr) {
	if p.left(p.line(e.Pos()), false) {
		return
	}
	p.insert(e.Pos(), false, fmt.Sprintf("(mutationOn(%d) != (", p.next))
	p.insert(e.End(), true, "))")
	p.add(e, "turned round")
}

// statements leaves out one statement of a list.
func (p *planter) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.SendStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || len(s.Lhs) == 1 && isBlank(s.Lhs[0]) {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		default:
			continue
		}
		if text := p.text(s); quiet.MatchString(text) || strings.HasPrefix(text, "panic(") || p.left(p.line(s.Pos()), false) {
			continue
		}
		p.insert(s.Pos(), false, fmt.Sprintf("if !mutationOn(%d) { ", p.next))
		p.insert(s.End(), true, " }")
		p.add(s, "left out")
	}
}

func isBlank(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "_"
}

func (p *planter) line(at token.Pos) int { return p.file.Line(at) }

// text is the first line of a node.
func (p *planter) text(n ast.Node) string {
	text, _, _ := strings.Cut(string(p.source[p.file.Offset(n.Pos()):p.file.Offset(n.End())]), "\n")
	return text
}

func (p *planter) add(n ast.Node, what string) {
	p.mistakes = append(p.mistakes, mistake{p.next, filepath.Base(p.file.Name()), p.line(n.Pos()), p.text(n) + ": " + what})
	p.next++
}

func (p *planter) insert(at token.Pos, end bool, text string) {
	p.edits = append(p.edits, edit{offset: p.file.Offset(at), end: end, text: text})
}

// apply makes the edits. At one place ends come first, the innermost of them before the
// others, and then the beginnings, the outermost before the others.
func (p *planter) apply() []byte {
	ends, others := p.edits[:0:0], p.edits[:0:0]
	for _, e := range p.edits {
		if e.end {
			ends = append(ends, e)
		} else {
			others = append(others, e)
		}
	}
	slices.Reverse(ends)
	edits := append(ends, others...)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.offset - b.offset })
	var out []byte
	last := 0
	for _, e := range edits {
		out = append(append(out, p.source[last:e.offset]...), e.text...)
		last = e.offset + e.remove
	}
	return append(out, p.source[last:]...)
}
