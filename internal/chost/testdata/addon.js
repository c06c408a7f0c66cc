// Greenlets on Node's own thread, and at the same time on those of its pool.
const { run, runLater } = require(process.argv[2])
const want = n => 3 * n * (n + 1) / 2
let wrong = 0

async function main() {
	const later = []
	for (let i = 0; i < 200; i++) {
		const n = 1 + i % 9
		later.push(runLater(n).then(got => { if (got !== want(n)) wrong++ }))
		if (run(n) !== want(n)) wrong++
	}
	await Promise.all(later)
	console.log(wrong === 0 ? 'well' : `${wrong} wrong`)
}

main()
