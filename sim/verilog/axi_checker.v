// Passive checker of an AXI4 port whose master keeps to these rules. The number of a rule is its bit in `broken`.
//
//   0  VALID is never X or Z, and nothing is X or Z while VALID is 1
//   1  VALID, once raised, stays until READY
//   2  nothing else on the channel changes meanwhile
//   3  a burst does not cross a 4 KiB boundary
//   4  a burst has at most MAX_BEATS beats
//   5  an address is a multiple of the bus width
//   6  bursts are INCR with the full bus width per beat
//   7  WLAST and RLAST mark the last beat of a burst and no other
//   8  no W beat is offered before the handshake of its address
//   9  responses: no beat without a request, no B before its last W
//  10  at most READ_BURSTS and WRITE_BURSTS bursts wait for their last beat or response
//  11  RREADY and BREADY are 1 (if ALWAYS_READY)
//  12  RID and BID are the ID of the burst that is answered; answers come in the order of the bursts
//  13  no exclusive access, and CACHE allocates only what is modifiable
module axi_checker #(
    parameter ADDRESS_BITS = 40,
    parameter DATA_BITS = 64,
    parameter ID_BITS = 1,
    parameter MAX_BEATS = 64,
    parameter READ_BURSTS = 4,
    parameter WRITE_BURSTS = 4,
    parameter ALWAYS_READY = 1,
    parameter QUEUE = 64           // bursts whose length is remembered
) (
    input  wire                     aclk,
    input  wire                     aresetn,
    input  wire [31:0]              cycle,      // printed with the first violation
    output reg  [31:0]              violations, // a cycle counts once per rule
    output reg  [13:0]              broken,     // rules that were violated

    input  wire [ADDRESS_BITS-1:0]  awaddr,
    input  wire [7:0]               awlen,
    input  wire [2:0]               awsize,
    input  wire [1:0]               awburst,
    input  wire [ID_BITS-1:0]       awid,
    input  wire                     awlock,
    input  wire [3:0]               awcache,
    input  wire [2:0]               awprot,
    input  wire                     awvalid,
    input  wire                     awready,
    input  wire [DATA_BITS-1:0]     wdata,
    input  wire [DATA_BITS/8-1:0]   wstrb,
    input  wire                     wlast,
    input  wire                     wvalid,
    input  wire                     wready,
    input  wire [ID_BITS-1:0]       bid,
    input  wire [1:0]               bresp,
    input  wire                     bvalid,
    input  wire                     bready,
    input  wire [ADDRESS_BITS-1:0]  araddr,
    input  wire [7:0]               arlen,
    input  wire [2:0]               arsize,
    input  wire [1:0]               arburst,
    input  wire [ID_BITS-1:0]       arid,
    input  wire                     arlock,
    input  wire [3:0]               arcache,
    input  wire [2:0]               arprot,
    input  wire                     arvalid,
    input  wire                     arready,
    input  wire [ID_BITS-1:0]       rid,
    input  wire [DATA_BITS-1:0]     rdata,
    input  wire [1:0]               rresp,
    input  wire                     rlast,
    input  wire                     rvalid,
    input  wire                     rready
);
    localparam BYTES = DATA_BITS / 8;
    localparam SIZE = $clog2(BYTES);
    localparam A = ADDRESS_BITS + ID_BITS + 21; // address, length, size, burst, ID, lock, cache, prot
    localparam W = DATA_BITS + BYTES + 1;
    localparam R = DATA_BITS + ID_BITS + 3;
    localparam B = ID_BITS + 2;

    wire [A-1:0] aw_payload = {awaddr, awlen, awsize, awburst, awid, awlock, awcache, awprot};
    wire [A-1:0] ar_payload = {araddr, arlen, arsize, arburst, arid, arlock, arcache, arprot};
    wire [W-1:0] w_payload = {wdata, wstrb, wlast};
    wire [R-1:0] r_payload = {rdata, rid, rresp, rlast};
    wire [B-1:0] b_payload = {bid, bresp};

    // the cycle before
    reg [4:0] held;                             // VALID without READY: AW, W, B, AR, R
    reg [A-1:0] aw_before, ar_before;
    reg [W-1:0] w_before;
    reg [R-1:0] r_before;
    reg [B-1:0] b_before;

    // bursts: lengths in the order of their addresses
    reg [7:0] aw_lengths [0:QUEUE-1], ar_lengths [0:QUEUE-1];
    reg [ID_BITS-1:0] aw_ids [0:QUEUE-1], ar_ids [0:QUEUE-1];
    reg [31:0] aw_count, w_count, b_count, ar_count, r_count;   // finished handshakes, W and R counted in bursts
    reg [8:0] w_beat, r_beat;

    wire [4:0] valid = {rvalid, arvalid, bvalid, wvalid, awvalid};
    wire [4:0] ready = {rready, arready, bready, wready, awready};
    wire [4:0] changed = {r_payload != r_before, ar_payload != ar_before, b_payload != b_before,
                          w_payload != w_before, aw_payload != aw_before};
    wire [4:0] unknown = {^r_payload === 1'bx, ^ar_payload === 1'bx, ^b_payload === 1'bx,
                          ^w_payload === 1'bx, ^aw_payload === 1'bx};

    reg [13:0] now;
    integer rule;

    // a burst that is offered: rules 3 to 6 on its address, length, size and kind
    function [13:0] offered(input [ADDRESS_BITS-1:0] address, input [7:0] len, input [2:0] size, input [1:0] kind);
        begin
            offered = 0;
            offered[3] = {1'b0, address[11:0]} + (len + 13'd1) * BYTES > 13'd4096;
            offered[4] = len + 9'd1 > MAX_BEATS;
            offered[5] = address % BYTES != 0;
            offered[6] = kind != 2'd1 || size != SIZE;
        end
    endfunction

    always @(posedge aclk)
        if (!aresetn) begin
            held <= 0; aw_count = 0; w_count = 0; b_count = 0; ar_count = 0; r_count = 0; w_beat = 0; r_beat = 0;
            violations = 0; broken = 0;
        end else begin
            now = 0;
            now[0] = ^valid === 1'bx || |(valid & unknown) !== 1'b0;
            now[1] = |(held & ~valid);
            now[2] = |(held & valid & changed);
            if (awvalid) now = now | offered(awaddr, awlen, awsize, awburst);
            if (arvalid) now = now | offered(araddr, arlen, arsize, arburst);
            if (wvalid) begin
                if (w_count == aw_count) now[8] = 1;
                else if (wlast != (w_beat == aw_lengths[w_count % QUEUE])) now[7] = 1;
            end
            if (rvalid) begin
                if (r_count == ar_count) now[9] = 1;
                else if (rlast != (r_beat == ar_lengths[r_count % QUEUE])) now[7] = 1;
            end
            if (bvalid && b_count == w_count) now[9] = 1;
            now[12] = (rvalid && r_count != ar_count && rid != ar_ids[r_count % QUEUE])
                      || (bvalid && b_count != w_count && bid != aw_ids[b_count % QUEUE]);
            now[13] = (awvalid && (awlock || (awcache[3:2] != 0 && !awcache[1])))
                      || (arvalid && (arlock || (arcache[3:2] != 0 && !arcache[1])));
            now[11] = ALWAYS_READY != 0 && ((rvalid && !rready) || (bvalid && !bready));
            // handshakes
            if (wvalid && wready && w_count != aw_count) begin
                w_beat = w_beat + 1;
                if (w_beat > aw_lengths[w_count % QUEUE]) begin w_beat = 0; w_count = w_count + 1; end
            end
            if (rvalid && rready && r_count != ar_count) begin
                r_beat = r_beat + 1;
                if (r_beat > ar_lengths[r_count % QUEUE]) begin r_beat = 0; r_count = r_count + 1; end
            end
            if (bvalid && bready && b_count != w_count) b_count = b_count + 1;
            if (awvalid && awready) begin
                aw_lengths[aw_count % QUEUE] = awlen; aw_ids[aw_count % QUEUE] = awid; aw_count = aw_count + 1;
            end
            if (arvalid && arready) begin
                ar_lengths[ar_count % QUEUE] = arlen; ar_ids[ar_count % QUEUE] = arid; ar_count = ar_count + 1;
            end
            now[10] = ar_count - r_count > READ_BURSTS || aw_count - b_count > WRITE_BURSTS;

            for (rule = 0; rule < 14; rule = rule + 1)
                if (now[rule] !== 1'b1) now[rule] = 0;      // only rule 0 is about X

            held <= valid & ~ready;
            aw_before <= aw_payload; ar_before <= ar_payload; w_before <= w_payload;
            r_before <= r_payload; b_before <= b_payload;
            if (now != 0) begin
                if (violations == 0) $display("AXI: cycle %0d breaks rules %b (bit = rule)", cycle, now);
                for (rule = 0; rule < 14; rule = rule + 1)
                    if (now[rule]) violations = violations + 1;
                broken = broken | now;
            end
        end
endmodule
