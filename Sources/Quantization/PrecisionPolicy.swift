// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// The `--type` of a conversion.
package enum ModelType: String, CaseIterable, Sendable {
  case f32, f16, int8, int6, int5, int4

  /// Whether the decoder's matrices get different numbers of bits.
  package var isMixed: Bool { [.int4, .int5, .int6].contains(self) }
}

/// Chooses each tensor's encoding. Sensitivities were measured on a real decoder (SmolLM2-135M, weights dithered to remove its own grid;
/// tools/bench/QUALITY.md), as divergence from f32 in nats with one kind of matrix at a time in 4 bits:
///
/// | q\|k\|v | attention's outputs | gate and up | contractions |
/// |---|---|---|---|
/// | 0.147 of 16 % of the weights | 0.031 of 9 % | 0.146 of 50 % | 0.234 of 25 % |
///
/// Half of the contractions' part comes from four of thirty layers, those that write massive activations (arXiv:2402.17762): their largest
/// weight is 28 to 31 times the root mean square, that of the others 11 to 24 times. So int4 means 4.25 bits, 5.25 for q|k|v and 6.25 for
/// matrices with outliers. An embedding, tied or not, and a head get 6.25 bits.
package struct PrecisionPolicy: Sendable {
  package let type: ModelType
  /// The type of vision tower and projector.
  package let vision: ModelType
  /// Inputs per scale of int8 in the decoder. Three quarters of its loss come from activations, which use the same groups: on a real decoder
  /// 0.0097 with groups of 64 and 128, 0.0089 of 64, 0.0052 of 32.
  package let group: Int

  /// A matrix has outliers if its largest weight is more than this many times the root mean square.
  static let spike = 25.0

  /// - Parameter vision: nil: as the decoder.
  package init(type: ModelType, vision: ModelType? = nil, group: Int) {
    self.type = type
    self.vision = vision ?? type
    self.group = group
  }

  /// - Parameters:
  ///   - inputs: columns of the matrix.
  ///   - hasOutliers: whether its largest weight is more than `spike` times the root mean square.
  package func encoding(_ role: TensorRole, inputs: Int, hasOutliers: Bool = false) -> (encoding: TensorEncoding, group: Int) {
    if role == .table { return (.f32, 0) }
    if role == .exact { return (.f32x16, 0) }
    let type = role.isVision ? vision : type
    switch type {
    case .f32: return (.f32x16, 0)
    case .f16: return (.f16x16, 0)
    case .int8, .int6, .int5, .int4: break
    }
    // The patch kernel is a thousandth of the tower's work, and raw pixels quantise badly to int8.
    if role == .patch { return (.f16x16, 0) }
    if role == .vision || role == .projector { return (.q8x16, encoderGroup(inputs)) }
    let eight = (encoding: TensorEncoding.q8x16, group: group)
    func small(_ encoding: TensorEncoding) -> (encoding: TensorEncoding, group: Int) { (encoding, smallGroup) }
    switch (type, role) {
    case (.int4, .decoder(_, .attentionIn)): return small(.q5x16)
    case (.int4, .decoder): return small(hasOutliers ? .q6x16 : .n4x16)
    case (.int5, .decoder(_, .attentionIn)): return small(.q6x16)
    case (.int5, .decoder): return small(hasOutliers ? .q6x16 : .q5x16)
    case (.int6, .decoder): return hasOutliers ? eight : small(.q6x16)
    case (.int4, .head), (.int4, .embedding), (.int5, .head), (.int5, .embedding): return small(.q6x16)
    default: return eight
    }
  }

  /// Inputs per scale of an encoder's matrix: with 768 inputs and more, the largest divisor of the row that is a multiple of 32 and at most
  /// 512. An encoder is compute-bound, and each scale costs a multiplication per group and output.
  /// Activations use the same groups, so an outlier costs precision only in its group: on nano Monkey's tower (row parts of 128 and 512
  /// inputs) groups of 128 leave an error of 3.2 % in the tokens, of 256 3.4 %, whole rows 3.5 %. `SmoothedSource` handles channels and
  /// units that are large for all images.
  func encoderGroup(_ inputs: Int) -> Int {
    let wide = inputs < 768 ? nil : stride(from: 512, to: 128, by: -32).first { inputs % $0 == 0 }
    return wide ?? (inputs % 128 == 0 ? 128 : 64)
  }

  /// The encodings of a decoder matrix under a target size, the smallest first.
  package var choices: [(encoding: TensorEncoding, group: Int)] {
    [(.n4x16, smallGroup), (.q5x16, smallGroup), (.q6x16, smallGroup), (.q8x16, group)]
  }

  /// Sensitivity of the model to a squared relative error of this matrix, under a target size; see the table above. With calibrated output
  /// errors, matrices that add to the residual stream, which all later layers read, weigh more.
  package static func sensitivity(_ role: TensorRole, ofOutputs: Bool, hasOutliers: Bool) -> Double {
    switch role {
    case .decoder(_, .attentionIn): 1
    case .decoder(_, .attentionOut): ofOutputs ? 3 : hasOutliers ? 1 : 0.2
    case .decoder(_, .mlpIn): ofOutputs ? 0.6 : 1
    case .decoder(_, .mlpOut): (ofOutputs ? 2 : 0.8) * (hasOutliers ? 6 : 1)
    // Never calibrated, since it is only looked up: in 4 bits it undoes half of the gain of error feedback elsewhere.
    case .embedding: 4
    default: ofOutputs ? 1 : 2
    }
  }
}
